"""What failed, once for each cause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.samples import BY_CONSTRUCTION, COLLAPSED

# Statuses of a score that are no failure.
GOOD = ("ok", "n/a", BY_CONSTRUCTION, COLLAPSED)


@dataclass(frozen=True)
class Cause:
    """Cells that failed in one way: the method, its status and reason, and which cells they were."""

    method: str
    status: str
    reason: str
    cells: tuple[str, ...]


def cell_statuses(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell, `cell_status` being its own status where it failed, else 'ok'; a failed metric counts."""
    failed = (frame["status"].notna() & ~frame["status"].isin(GOOD)).to_numpy(dtype=bool)
    worst_first = np.argsort(~failed, kind="stable")
    chosen = worst_first[~frame["cell_id"].iloc[worst_first].duplicated().to_numpy()]
    cells = frame.iloc[chosen]
    return cells.assign(cell_status=cells["status"].astype("string").where(failed[chosen], "ok"))


def causes(frame: pd.DataFrame) -> list[Cause]:
    """By method, in the order of the frame."""
    if frame.empty:
        return []
    cells = cell_statuses(frame)
    bad = cells[~cells["cell_status"].isin(["ok", "pruned"])]
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in bad.itertuples():
        key = (str(row.method), str(row.cell_status), str(row.reason).partition("\n")[0])
        found.setdefault(key, []).append(f"{row.dataset} {row.phase} {_seed(row.seed)}")
    return [Cause(*key, tuple(where)) for key, where in found.items()]


def n_failed(found: Iterable[Cause]) -> int:
    return sum(len(cause.cells) for cause in found)


def _seed(seed: object) -> str:
    return "all seeds" if pd.isna(seed) else f"seed {seed}"  # type: ignore[call-overload]
