"""What commands print: leaderboards no wider than the terminal, methods never shortened, and each reason once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from reports.content import Content
    from reports.leaderboard import Board, Row

_GAP = 2


def show(content: Content, console: Console) -> None:
    """Print the headline scores of each data set and, where the terminal is wide enough, others; then the verdict."""
    from reports.entries import MARKS
    from reports.headline import how_coded

    for line in _claims(content):
        console.print(line, markup=False, highlight=False)
    for board in content.boards:
        console.print(_table(board, content.headline, console.width), markup=False, highlight=False)
    used = "  ".join(f"{mark} {meaning}" for mark, meaning in MARKS.items())
    for text in filter(None, (used, how_coded(content.boards), *content.verdict)):
        console.print(text, markup=False, highlight=False)


def _claims(content: Content) -> Iterator[str]:
    """Each claim with its verdict and what was found."""
    from reports.claims import summary

    marks = {"reproduced": "✓", "not reproduced": "✗", "inconclusive": "?"}
    if content.claims:
        yield summary(content.claims)
    for one in content.claims:
        yield f"{marks[one.verdict]} {one.verdict}: {one.claim['statement']}"
        for finding in one.findings:
            reason = f" ({finding.reason})" if finding.reason else ""
            yield f"  {marks[finding.verdict]} {finding.dataset}: {one.claim['metric']} {finding.ours}{reason}"


def _table(board: Board, headline: Sequence[str], width: int) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(board.dataset), title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("method", no_wrap=True)
    left = width - max(len("method"), *(len(row.name) for row in board.rows))
    shown = []
    for heading, cells in _columns(board, headline):
        needed = _GAP + max(len(line) for text in (heading, *cells) for line in text.split("\n"))
        if needed <= left:
            left -= needed
            shown.append(cells)
            table.add_column(heading, justify="right", no_wrap=True)
    for at, row in enumerate(board.rows):
        table.add_row(row.name, *(cells[at] for cells in shown))
    return table


def _columns(board: Board, headline: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Heading and cells of each column, by how much it is worth its place."""
    from reports.headline import columns

    first = list(columns(board, headline))
    names = first + [name for name in columns(board, board.metrics) if name not in first]
    found = [(_heading(board, name), [_score(row, name) for row in board.rows]) for name in names]
    found.insert(len(first), ("fit\ns", [_seconds(row.fit_seconds) for row in board.rows]))
    found.append(("decoder\ns", [_seconds(row.decoder_seconds) for row in board.rows]))
    if board.how:
        found.append(("trials", [str(row.trials or "–") for row in board.rows]))
        found.append(("tuning\ns", [_seconds(row.tune_seconds) for row in board.rows]))
    return found


def _heading(board: Board, name: str) -> str:
    """The metric's name a word below the other, with its arrow."""
    arrow = "↓" if board.better[name] == "lower" else "↑"
    return "\n".join([*f"{name} {arrow}".split("_"), *(["(tuned)"] if name in board.tuned else [])])


def _score(row: Row, name: str) -> str:
    from reports.entries import in_short

    value, mark = in_short(row.entries[name])
    return value + (mark or " ")


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def impossible(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Which metrics cannot be had of which pairs of a plan, once for each reason."""
    pairs: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
    for row in rows:
        for metric, why in row["impossible"].items():
            of_metric = pairs.setdefault((why, metric), {})
            of_metric[row["dataset"]] = (*of_metric.get(row["dataset"], ()), row["method"])
    alike: dict[tuple[str, tuple[Any, ...]], list[str]] = {}
    for (why, metric), of_metric in pairs.items():
        alike.setdefault((why, tuple(of_metric.items())), []).append(metric)
    everybody = tuple(dict.fromkeys(row["method"] for row in rows))
    for (why, where), metrics in alike.items():
        datasets: dict[tuple[str, ...], list[str]] = {}
        for dataset, methods in where:
            datasets.setdefault(methods, []).append(dataset)
        told = [
            f"{'' if methods == everybody else 'of ' + ', '.join(methods) + ' '}on {', '.join(names)}"
            for methods, names in datasets.items()
        ]
        yield f"impossible: {', '.join(metrics)} {'; '.join(told)}: {why}"


def causes_of(errors: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[str]:
    """What failed, once for each cause, with its cells and the log of the first."""
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for error in errors:
        found.setdefault((error["status"], error["method"], error["reason"]), []).append(error)
    for (status, method, reason), alike in found.items():
        cells = ", ".join(dict.fromkeys(f"{error['dataset']} {error['phase']} {error['seed']}" for error in alike))
        times = f" ({len(alike)} times)" if len(alike) > 1 else ""
        log = f"  -> {folder / alike[0]['traceback']}" if alike[0]["traceback"] else ""
        yield f"{status}: {method} {cells}: {reason}{times}{log}"
