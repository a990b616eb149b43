"""What a program or a notebook uses: run a suite, and read what a result folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BadInputError, nearest

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from bench.record.cells import Cell
    from bench.record.ledger import Ledger


def run(
    suite: Mapping[str, Any] | str | Path,
    out: str | Path | None = None,
    *,
    jobs: int = 0,
    device: str = "auto",
    smoke: bool = False,
    quiet: bool = False,
) -> Results:
    """Run what of a suite is missing from a result folder, with progress where it is called, and read the folder.

    Args:
        suite: a bench.toml, or its tables as a dictionary; files that those name are relative to the working directory.
        out: the result folder; runs/SUITE where it is not given.
        jobs: worker processes; 0 means one for each core.
        device: 'auto', 'cpu' or 'cuda'.
        smoke: a quick check of every pair: at most 300 rows, 2 epochs, one seed, no tuning.
        quiet: plain lines in place of a progress bar.

    Raises:
        BadInputError: the suite cannot be used; the message names key, value and fix.
    """
    from rich.console import Console

    from bench.commands import run_suite
    from bench.running.coordinator import Options
    from bench.suite.config import load_suite, suite_of

    chosen = suite_of(suite, smoke=smoke) if isinstance(suite, Mapping) else load_suite(Path(suite), smoke=smoke)
    folder = Path("runs") / chosen.name if out is None else Path(out)
    run_suite(chosen, folder, Options(jobs, device), Console(), quiet=quiet)
    return load_results(folder)


def load_results(folder: str | Path) -> Results:
    """What a result folder holds; nothing is unpickled, and nothing in it is changed.

    Raises:
        BadInputError: it is no result folder.
    """
    from bench.record.ledger import read

    return Results(Path(folder), read(Path(folder)))


@dataclass(frozen=True, eq=False)
class Results:
    """A result folder, to be asked."""

    folder: Path
    ledger: Ledger

    def __repr__(self) -> str:
        return f"load_results({str(self.folder)!r})"

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Every score, one row for each model and metric, with the columns of results.parquet."""
        from bench.report import frame_of_ledger
        from reports.frames import COLUMNS

        return frame_of_ledger(self.ledger).astype(COLUMNS)

    @property
    def failures(self) -> pd.DataFrame:
        """The rows of the frame that failed, with their reasons."""
        from bench.record.records import FAILURES

        return self.frame[self.frame["status"].isin(FAILURES)]

    def table(self, metrics: Sequence[str] = (), methods: Sequence[str] = (), *, latex: bool = False) -> Any:
        """Means over seeds, methods in rows: a frame, or the text of a LaTeX table with best and ties marked.

        Args:
            metrics: the headline metrics where none are named.
            methods: all where none are named.

        Raises:
            BadInputError: there is no such metric or method.
        """
        from bench.paper import table_of

        if latex:
            return table_of(self.folder, None, "latex", metrics, methods)
        return _wide(table_of(self.folder, None, "csv", metrics, methods))

    def configuration(self, method: str, dataset: str) -> dict[str, Any]:
        """The hyperparameters that are reported of a method on a data set, and what chose them.

        Raises:
            BadInputError: there is no such pair.
        """
        choice = self.ledger.selections.get((dataset, method))
        if choice is None:
            known = [f"{method}, {dataset}" for dataset, method in self.ledger.selections]
            raise BadInputError(
                f"{self.folder} reports no {method} on {dataset}; {nearest(f'{method}, {dataset}', known)}"
            )
        return {"params": dict(choice["params"]), "chosen by": choice["note"]}

    def embedding(self, method: str, dataset: str, seed: int = 0) -> np.ndarray:
        """Codes (n, latent_dim) of the scored rows: those of the test split, in its order."""
        arrays, _ = self._saved(self._cell(method, dataset, seed))
        return arrays["Z.scored"]

    def model(self, method: str, dataset: str, seed: int = 0) -> Any:
        """The fitted method, ready to encode and decode.

        Networks are restored as they were saved. What cannot be (t-SNE, UMAP and Isomap as encoders, methods of third
        parties that do not save themselves) is fitted again with the same data, parameters and seed.

        Raises:
            BadInputError: there is no such model, or its data are no longer those that it was fitted to.
        """
        from bench.running.fitting import beside_rows, instance
        from bench.suite import registry
        from bench.suite.data import load_data
        from bench.suite.signatures import accepted
        from datasets.base import content_hash

        cell = self._cell(method, dataset, seed)
        arrays, facts = self._saved(cell)
        root = Path.cwd()
        component = registry.load("method", cell.target, root)
        data = load_data(cell.dataset, root)
        made = instance(component, cell, data.sample_shape, "auto", str(root))
        if facts["loadable"] and getattr(component, "decoder_kind", "native") == "native":
            return made.load_arrays({n.removeprefix("state."): v for n, v in arrays.items() if n.startswith("state.")})
        if content_hash(data) != cell.dataset.content:
            raise BadInputError(f"the data of {dataset} have changed since {method} was fitted to them")
        return made.fit(data.X[data.train], **accepted(made.fit, beside_rows(data)))

    def _cell(self, method: str, dataset: str, seed: int) -> Cell:
        from bench.record.cells import Cell
        from bench.record.results import reported

        models = [r.cell for r in reported(self.ledger) if isinstance(r.cell, Cell) and r.cell.phase == "final"]
        wanted = (method, dataset, seed)
        for cell in models:
            if (cell.method, cell.dataset.name, cell.seed) == wanted:
                return cell
        known = [f"{cell.method}, {cell.dataset.name}, {cell.seed}" for cell in models]
        asked = ", ".join(map(str, wanted))
        raise BadInputError(f"{self.folder} reports no {method} on {dataset}, seed {seed}; {nearest(asked, known)}")

    def _saved(self, cell: Cell) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        from bench.record import models

        saved = models.load_model(models.model_folder(self.folder, cell.id))
        if saved is None:
            of = f"{cell.method} on {cell.dataset.name}, seed {cell.seed}"
            raise BadInputError(f"{self.folder} holds no model of {of}; `bench status {self.folder}` says why")
        return saved


def _wide(text: str) -> pd.DataFrame:
    """Means of a table's lines, methods in rows, data sets and metrics in columns, in their order."""
    import io

    import pandas as pd

    lines = pd.read_csv(io.StringIO(text))
    columns = pd.MultiIndex.from_frame(lines[["dataset", "metric"]].drop_duplicates())
    wide = lines.pivot(index="method", columns=["dataset", "metric"], values="mean")
    return wide.reindex(index=lines["method"].unique(), columns=columns)
