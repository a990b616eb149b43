"""What was found, in at most five sentences: who is best at what, what is no result, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reports.causes import Cause, n_failed
from reports.headline import ISOMETRY, NEIGHBOURHOODS, RECONSTRUCTION
from reports.leaderboard import Board, Row, short
from reports.samples import BY_CONSTRUCTION, COLLAPSED
from reports.statistics import LEAST_SEEDS

_FINDINGS = 3
# So many methods that tie are named.
_NAMED = 3
# 'native' and 'attached' decoders are ranked apart.
_AMONG = {"": "is ", "native": "of native decoders is ", "attached": "of attached decoders "}


def verdict(boards: Sequence[Board], headline: Sequence[str], failures: Sequence[Cause]) -> list[str]:
    """The sentences; none where nothing has been scored."""
    if not any(board.rows for board in boards):
        return []
    findings = [_finding(boards, name) for name in _questions(headline)]
    return [*filter(None, findings), *filter(None, [_warnings(boards, headline, failures), _certainty(boards)])]


def _questions(headline: Sequence[str]) -> list[str]:
    """Of the headline metrics those that findings are told of: one each of neighbourhoods, isometry, reconstruction."""
    first = [
        next((name for name in headline if name in question), "")
        for question in (NEIGHBOURHOODS, ISOMETRY, RECONSTRUCTION)
    ]
    found = [name for name in first if name]
    return (found + [name for name in headline if name not in found])[:_FINDINGS]


def _finding(boards: Sequence[Board], name: str) -> str:
    """'knn_preservation ↑: best is isomap on swiss_roll (0.89), tsne = umap on digits (0.6).'"""
    asked = [board for board in boards if name in board.metrics]
    said = []
    for among, label in _AMONG.items():
        winners: dict[str, list[Board]] = {}
        for board in asked:
            if best := _best(board, name, among):
                winners.setdefault(_names(board, name, among, best), []).append(board)
        if winners:
            told = [f"{who} {_where(name, among, where, asked)}" for who, where in winners.items()]
            said.append(label + ", ".join(told))
    column = asked[0].column(name) if asked else name
    return f"{column}: best {'; '.join(said)}." if said else ""


def _where(name: str, among: str, boards: Sequence[Board], asked: Sequence[Board]) -> str:
    """'on digits (0.6) and swiss_roll (0.89)', or 'on all 3 data sets (0.6 to 0.89)'."""
    values = [_leading(board, name, _best(board, name, among)) for board in boards]
    if len(boards) == len(asked) > 2:
        return f"on all {len(boards)} data sets ({short(min(values))} to {short(max(values))})"
    return "on " + _listed([f"{b.dataset} ({short(v)})" for b, v in zip(boards, values, strict=True)])


def _best(board: Board, name: str, among: str) -> list[Row]:
    return [row for row in board.rows if row.entries[name].best and row.entries[name].among == among]


def _names(board: Board, name: str, among: str, best: Sequence[Row]) -> str:
    """'tsne = umap', or 'a tie of 6 of 7'."""
    if len(best) <= _NAMED:
        return " = ".join(row.method for row in best)
    ranked = [row for row in board.rows if row.entries[name].ranked and row.entries[name].among == among]
    return f"a tie of {len(best)} of {len(ranked)}"


def _leading(board: Board, name: str, best: Sequence[Row]) -> float:
    means = [found.mean for row in best if (found := row.entries[name].estimate) is not None]
    return min(means) if board.better[name] == "lower" else max(means)


def _warnings(boards: Sequence[Board], headline: Sequence[str], failures: Sequence[Cause]) -> str:
    """What must not be read as a result, in one sentence."""
    said = []
    if failures:
        said.append(
            f"{n_failed(failures)} models or scores failed ({_listed(dict.fromkeys(c.method for c in failures))})"
        )
    said += filter(None, [
        _standing(boards, COLLAPSED, "too little of the data is kept for the geometry to mean anything"),
        _standing(boards, BY_CONSTRUCTION, "scores follow from the form of the method"),
    ])  # fmt: skip
    scores = [(name, entry) for board in boards for _, name, entry in board.entries()]
    tails = sum(entry.tail is not None for name, entry in scores if name in headline)
    if tails:
        means = "headline mean is" if tails == 1 else "headline means are"
        said.append(f"{tails} {means} carried by few points or one seed (~: the median)")
    return f"Not to be read as results: {'; '.join(said)}." if said else ""


def _standing(boards: Sequence[Board], status: str, what: str) -> str:
    where: dict[str, dict[str, None]] = {}
    for board in boards:
        for row, _, entry in board.entries():
            if entry.estimate is not None and entry.status.endswith(status):
                where.setdefault(row.method, {})[board.dataset] = None
    if not where:
        return ""
    together: dict[str, list[str]] = {}
    for method, datasets in where.items():
        together.setdefault(_listed(datasets), []).append(method)
    who = ", ".join(f"{_listed(methods)} on {datasets}" for datasets, methods in together.items())
    return f"{status}, {who} ({what})"


def _certainty(boards: Sequence[Board]) -> str:
    """Seeds, test points, and what hyperparameters were chosen by."""
    rows = [row for board in boards for row in board.rows]
    seeds = max((row.n_seeds for row in rows), default=0)
    counts = [str(count) for count in sorted({board.n_points for board in boards if board.n_points})]
    size = f"{seeds} {'seed' if seeds == 1 else 'seeds'}" + (f", {' or '.join(counts)} test points" if counts else "")
    few = (
        f": what other seeds would give is not known ({LEAST_SEEDS} or more would tell)" if seeds < LEAST_SEEDS else ""
    )
    tuned = dict.fromkeys(name for board in boards for name in board.tuned)
    if not tuned:
        return f"{size}{few}; nothing was tuned."
    chosen = dict.fromkeys(row.method for row in rows if row.trials)
    left = dict.fromkeys(row.method for row in rows if not row.trials)
    others = f"; {_listed(left)} {'is' if len(left) == 1 else 'are'} not tuned" if left else ""
    return f"{size}{few}; {_listed(chosen) or 'nobody'} tuned for {_listed(tuned)}{others}."


def _listed(names: Iterable[str]) -> str:
    """'a, b and c'."""
    *others, last = [*names] or [""]
    return f"{', '.join(others)} and {last}" if others else last
