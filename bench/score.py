"""`bench score`: embeddings that exist, scored and compared as a suite of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BadInputError
from bench.record.links import refuse_links
from bench.suite import registry
from bench.suite.config import Suite, load_suite
from bench.suite.data import load_dataset

if TYPE_CHECKING:
    from reports.leaderboard import Board

SUITE_FILE = "bench.toml"


@dataclass(frozen=True)
class Given:
    """What is to be scored: places of files, as `datasets.reading` understands them; '' where there is none.

    Attributes:
        embeddings, decoders, names: of each embedding; the last two may be fewer.
    """

    data: str
    embeddings: Sequence[str]
    decoders: Sequence[str] = ()
    names: Sequence[str] = ()
    labels: str = ""
    intrinsic: str = ""
    split: str = ""
    metrics: Sequence[str] = ()


def suite_of(given: Given, out: Path) -> Suite:
    """The suite that scores them, written into the result folder, where it can be added to and run again.

    Raises:
        BadInputError: more decoders or names than embeddings, or something of it cannot be used.
    """
    for option, values in (("--decoder", given.decoders), ("--name", given.names)):
        if len(values) > len(given.embeddings):
            raise BadInputError(f"{option} is given {len(values)} times, --embedding {len(given.embeddings)}")
    refuse_links(out)
    out.mkdir(parents=True, exist_ok=True)
    file = out / SUITE_FILE
    file.write_text(_text(given), encoding="utf-8")
    suite = load_suite(file)
    _check(suite)
    return suite


def _check(suite: Suite) -> None:
    """Read all files once, so that what cannot be used is said before anything runs."""
    from bench.running.fitted import observe

    _, data = load_dataset(suite, suite.datasets[0])
    for choice in suite.methods:
        component = registry.load("method", choice.target)
        try:
            observe(component(**choice.params, suite_folder=str(suite.root)).fit(data.X[data.train]), data, "test")
        except (ValueError, ArithmeticError) as error:
            raise BadInputError(f"--embedding {choice.params['path']}: {error}") from error


def _text(given: Given) -> str:
    import tomli_w

    beside = {"labels": given.labels, "intrinsic": given.intrinsic, "split": given.split}
    data = {"target": "file", "path": _absolute(given.data)}
    data |= {name: _absolute(place) for name, place in beside.items() if place}
    methods: dict[str, Mapping[str, object]] = {}
    for at, name in enumerate(_names(given)):
        method = {"target": "embedding", "path": _absolute(given.embeddings[at])}
        if at < len(given.decoders):
            method["decoder"] = _absolute(given.decoders[at])
        methods[name] = method
    tables = {
        "suite": "score", "run": {"report_seeds": [0]}, "datasets": {_name_of(given.data): data}, "methods": methods,
        "metrics": {"use": list(given.metrics or _of_one_model())},
    }  # fmt: skip
    return "# Written by `bench score`.\n" + tomli_w.dumps(tables)


def _names(given: Given) -> list[str]:
    """A name for each embedding: the given one, else its file's, numbered where that is taken."""
    found: list[str] = []
    for at, place in enumerate(given.embeddings):
        name = given.names[at] if at < len(given.names) else _name_of(place)
        if name in found and at >= len(given.names):
            name = f"{name}-{at + 1}"
        if name in found:
            raise BadInputError(f"--name: {name!r} is given twice")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise BadInputError(f"--name {name!r}: a name is made of letters, digits, '.', '_' and '-'")
        found.append(name)
    return found


def _name_of(place: str) -> str:
    from datasets.reading import parted

    file, key = parted(place)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{Path(file).stem}-{key}" if key else Path(file).stem)
    return name.strip("-_") or "given"


def _absolute(place: str) -> str:
    """A place whose file no longer depends on the working directory; a part of the data's own file as it is."""
    from datasets.reading import names_a_file

    return (
        str(Path(place).expanduser().absolute()) if names_a_file(place) or ".pt2" in place or ".py:" in place else place
    )


def _of_one_model() -> list[str]:
    """All registered metrics but those over seeds."""
    return [name for name in registry.names("metric") if registry.metric(name).scope == "cell"]


def told(boards: Sequence[Board]) -> Iterator[str]:
    """Every score, metrics in rows, embeddings in columns; and why others cannot be had, once for each reason."""
    from reports.entries import in_short

    for board in boards:
        header = ["metric", *(row.method for row in board.rows)]
        lines = [header]
        lacking: dict[str, dict[str, list[str]]] = {}
        for name in board.metrics:
            entries = [row.entries[name] for row in board.rows]
            if any(entry.estimate is not None for entry in entries):
                lines.append([board.column(name), *("".join(in_short(entry)) for entry in entries)])
            for row, entry in zip(board.rows, entries, strict=True):
                if entry.estimate is None:
                    lacking.setdefault(entry.reason, {}).setdefault(name, []).append(row.method)
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            first, *others = (
                cell.ljust(width) if at == 0 else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            yield "  ".join([first, *others]).rstrip()
        for reason, metrics in lacking.items():
            everybody = all(len(methods) == len(board.rows) for methods in metrics.values())
            whom = "" if everybody else f" of {', '.join(dict.fromkeys(m for ms in metrics.values() for m in ms))}"
            yield f"not {', '.join(metrics)}{whom}: {reason}"
