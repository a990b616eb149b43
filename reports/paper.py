"""Tables ready for a paper: LaTeX (booktabs), CSV, markdown; bold and ties as in the report."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence

from reports.entries import MARKS, in_short
from reports.frames import in_order
from reports.headline import columns
from reports.leaderboard import ATTACHED_ENCODER, Board, Entry, Row
from reports.markdown import headline_table

_SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"$\sim$", "^": r"\textasciicircum{}",
    "°": r"$^\circ$",
}  # fmt: skip
_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$"}


def latex(boards: Sequence[Board], metrics: Sequence[str]) -> str:
    r"""One `tabular` with \toprule, \midrule and \bottomrule; a group of columns for each data set."""
    shown = [(board, list(columns(board, metrics))) for board in boards]
    shown = [(board, names) for board, names in shown if names]
    groups = " & ".join(rf"\multicolumn{{{len(names)}}}{{c}}{{{_tex(board.dataset)}}}" for board, names in shown)
    heads = [
        f"{_tex(name.replace('_', ' '))} {_ARROWS[board.better[name]]}" for board, names in shown for name in names
    ]
    methods = in_order((row.method for board, _ in shown for row in board.rows), _methods(boards))
    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(heads)}}}", r"\toprule", rf" & {groups} \\", *_rules(shown),
        rf"method & {' & '.join(heads)} \\", r"\midrule",
    ]  # fmt: skip
    for method in methods:
        cells = [_tex_cell(_row(board, method), name) for board, names in shown for name in names]
        name = next(row.name for board, _ in shown for row in board.rows if row.method == method)
        lines.append(rf"{_tex(name)} & {' & '.join(cells)} \\")
    notes = [f"% {mark} {meaning}" for mark, meaning in MARKS.items()]
    notes.append("% Scores of decoders are ranked among native and among attached decoders, each among themselves.")
    notes.append(f"% {ATTACHED_ENCODER} New points are encoded by a network fitted to the finished embedding.")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *notes]) + "\n"


def comma_separated(boards: Sequence[Board], metrics: Sequence[str]) -> str:
    """One line for each data set, method and metric, with interval, seeds, test points, status and ties."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    write(["dataset", "method", "metric", "better", "mean", "low", "high", "interval over", "seeds", "test points",
           "status", "best", "tied with"])  # fmt: skip
    for board in boards:
        for row in board.rows:
            for name in columns(board, metrics):
                write([board.dataset, row.method, name, board.better[name], *_values(row.entries[name], row.method)])
    return text.getvalue()


def markdown(boards: Sequence[Board], metrics: Sequence[str]) -> str:
    """One table for each data set."""
    return "\n\n".join(headline_table(board, metrics) for board in boards) + "\n"


FORMATS: Mapping[str, Callable[[Sequence[Board], Sequence[str]], str]] = {
    "latex": latex,
    "csv": comma_separated,
    "markdown": markdown,
}


def _methods(boards: Sequence[Board]) -> list[str]:
    return list(dict.fromkeys(row.method for board in boards for row in board.rows))


def _rules(shown: Sequence[tuple[Board, Sequence[str]]]) -> list[str]:
    """A rule under each data set's columns."""
    rules, first = [], 2
    for _, names in shown:
        rules.append(rf"\cmidrule(lr){{{first}-{first + len(names) - 1}}}")
        first += len(names)
    return rules


def _row(board: Board, method: str) -> Row | None:
    return next((row for row in board.rows if row.method == method), None)


def _tex_cell(row: Row | None, name: str) -> str:
    if row is None:
        return "--"
    value, mark = in_short(row.entries[name])
    text = _tex(value)
    if row.entries[name].best:
        text = rf"\textbf{{{text}}}"
    return text + (rf"$^{{{mark}}}$" if mark in ("=", "x", "c") else "")


def _tex(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text).replace("–", "--")


def _values(entry: Entry, method: str) -> list[object]:
    found = entry.estimate
    if found is None:
        return ["", "", "", "", "", "", entry.status, "", ""]
    tied = [other for other in entry.tied if other != method]
    return [
        repr(found.mean), _number(found.low), _number(found.high), found.over, found.n, found.n_points or "",
        entry.status, "yes" if entry.best else "no", " ".join(tied),
    ]  # fmt: skip


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)
