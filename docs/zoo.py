"""Writes zoo.md, the page of all methods, from their classes and the seconds of a run of docs/measurements/zoo.toml.

`python docs/zoo.py` writes the page; `python docs/zoo.py runs/zoo/results.parquet` takes the seconds from a run first.
"""

from __future__ import annotations

import csv
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.suite import registry

FOLDER = Path(__file__).parent
COSTS = FOLDER / "measurements" / "zoo_costs.csv"
DATA = ("swiss_roll", "digits")
HEAD = """# The zoo

All methods, as `bench list methods` names them; `bench describe NAME` says more of each, with its hyperparameters,
their search space and presets. Written from the code by `docs/zoo.py`.

In the losses f is the decoder and g the encoder, z = g(x), J_f and J_g are their Jacobians, G = J_f^T J_f is the metric
that the decoder pulls back, d the latent dimension, d_x and d_z distances in the data and between codes. `ae` and `vae`
stand for the losses of those. Seconds are of one model at its defaults, an attached decoder apart, on two cores of a
shared machine: they say which is dear, and no more. Suite: [zoo.toml](measurements/zoo.toml); what came out is in
[the measurements](measurements/zoo.md).
"""


def page() -> str:
    """The page as it has to be."""
    costs = read_costs()
    methods = {name: registry.method(name) for name in registry.names("method")}
    parts = [HEAD]
    for title, names in families(methods).items():
        rows = [["method", "what it is", "loss", *(f"{data} s" for data in DATA), "needs", "source"]]
        rows += [row(name, methods[name], costs) for name in names]
        parts.append(f"## {title}\n\n{table(rows)}\n")
    return "\n".join(parts)


def families(methods: dict[str, Any]) -> dict[str, list[str]]:
    """The names of the methods by what they are."""
    from methods.attached import AttachedDecoderMethod
    from methods.autoencoder import Autoencoder
    from methods.network_method import NetworkMethod

    found: dict[str, list[str]] = {
        "Linear, kernels, floors": [],
        "Embeddings, with an attached decoder": [],
        "Autoencoders": [],
        "Variational autoencoders": [],
    }
    for name, component in methods.items():
        kinds = (AttachedDecoderMethod, Autoencoder, NetworkMethod)
        at = next((at for at, kind in enumerate(kinds, 1) if issubclass(component, kind)), 0)
        list(found.values())[at].append(name)
    return found


def row(name: str, component: Any, costs: dict[tuple[str, str], float]) -> list[str]:
    text = inspect.getdoc(component) or ""
    idea = text.partition("\n")[0]
    source = re.search(r"^Source: (.*?)(?=[.;,] [Pp]reset|\.?\s*\Z|\n\n)", text, re.MULTILINE | re.DOTALL)
    seconds = [f"{costs[name, data]:.1f}" if (name, data) in costs else "–" for data in DATA]
    said = " ".join(source[1].split()) if source else "–"
    return [
        f"`{name}`",
        escaped(idea),
        f"`{escaped(component.loss)}`",
        *seconds,
        escaped(component.needs),
        escaped(said),
    ]


def escaped(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", r"\|")


def table(rows: list[list[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def read_costs() -> dict[tuple[str, str], float]:
    """Seconds of fitting by method and data set."""
    if not COSTS.exists():
        return {}
    with COSTS.open(encoding="utf-8") as file:
        return {(line["method"], line["dataset"]): float(line["fit_seconds"]) for line in csv.DictReader(file)}


def write_costs(results: Path) -> None:
    """Keep the seconds of a run: the median over its models."""
    import pandas as pd

    models = pd.read_parquet(results).drop_duplicates("cell_id").query("phase == 'final' and status == 'ok'")
    seconds = models.groupby(["method", "dataset"])["fit_seconds"].median().round(2)
    seconds.reset_index().to_csv(COSTS, index=False)


def main(arguments: list[str]) -> Iterator[Path]:
    """Write what is asked for, and say which files."""
    if arguments:
        write_costs(Path(arguments[0]))
        yield COSTS
    (FOLDER / "zoo.md").write_text(page(), encoding="utf-8")
    yield FOLDER / "zoo.md"


if __name__ == "__main__":
    list(main(sys.argv[1:]))
