"""What a reader of a leaderboard has to know beside its numbers, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from reports.leaderboard import Board, short
from reports.samples import BY_CONSTRUCTION, COLLAPSED
from reports.statistics import LEAST_SEEDS


def notes(board: Board) -> list[str]:
    """Sentences in the order of their weight; none for a board without rows."""
    return [*_left_out(board), *_tails(board), *_ties(board), *_sizes(board), *filter(None, [board.how])]


def _left_out(board: Board) -> Iterator[str]:
    """Who is shown and not ranked, once for each reason."""
    for status in (COLLAPSED, BY_CONSTRUCTION):
        by_reason: dict[tuple[str, str], list[str]] = {}
        for row, name, entry in board.entries():
            if entry.estimate is not None and entry.status.endswith(status):
                by_reason.setdefault((row.method, entry.reason), []).append(name)
        for (method, reason), names in by_reason.items():
            yield f"{method}: {status} ({reason}), not ranked on {', '.join(names)}."


def _tails(board: Board) -> Iterator[str]:
    for row, name, entry in board.entries():
        if entry.tail is not None and entry.estimate is not None:
            mean, median = short(entry.estimate.mean), short(entry.tail.median)
            carrier = "a few points carry it" if entry.tail.carried_by == "points" else f"{entry.tail.carried_by} does"
            yield f"{row.method}: the mean {name} of {mean} says little, {carrier}; the median is {median}."


def _ties(board: Board) -> Iterator[str]:
    """For each ranking who cannot be told apart."""
    for name in board.metrics:
        ranked = [row for row in board.rows if row.entries[name].ranked]
        for group in dict.fromkeys(row.entries[name].tied for row in ranked):
            if len(group) > 1:
                everybody = " (all that are ranked)" if len(group) == len(ranked) else ""
                shown = " = ".join(row.method for row in ranked if row.method in group)
                yield f"{name}: {shown} cannot be told apart{everybody}."


def _sizes(board: Board) -> Iterator[str]:
    points = board.n_points
    seeds = max((row.n_seeds for row in board.rows), default=0)
    if points is None:
        return
    if seeds < LEAST_SEEDS:
        said = f"the intervals say nothing of other seeds; {LEAST_SEEDS} or more would"
        yield f"{points} test points, {seeds} {'seed' if seeds == 1 else 'seeds'}: {said}."
    else:
        yield f"{points} test points, {seeds} seeds."
