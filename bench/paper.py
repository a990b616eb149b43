"""A table for a paper, of a result folder or of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BadInputError, nearest
from bench.record.ledger import read
from bench.report import leaderboards, leaderboards_of, read_foreign

if TYPE_CHECKING:
    from reports.leaderboard import Board


def table_of(out: Path, frame: Path | None, form: str, metrics: Sequence[str], methods: Sequence[str]) -> str:
    """The table as text; without names, of the headline metrics and of all methods.

    Best and ties are among all methods that were run, also where only some of them are shown.

    Raises:
        BadInputError: there is no such format, metric or method.
    """
    from reports.headline import headline_metrics
    from reports.paper import FORMATS

    if form not in FORMATS:
        raise BadInputError(f"--table: unknown format {form!r}; {nearest(form, FORMATS)}")
    boards = leaderboards_of(read(out), out) if frame is None else leaderboards(read_foreign(frame), {}, [], out)
    _check("--metrics", metrics, [name for board in boards for name in board.metrics])
    _check("--methods", methods, [row.method for board in boards for row in board.rows])
    return FORMATS[form]([_only(board, methods) for board in boards], metrics or headline_metrics(boards))


def _check(option: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise BadInputError(f"{option}: unknown name {name!r}; {nearest(name, dict.fromkeys(known))}")


def _only(board: Board, methods: Sequence[str]) -> Board:
    rows = [row for row in board.rows if not methods or row.method in methods]
    return replace(board, rows=tuple(rows))
