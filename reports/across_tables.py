"""Ranks over data sets in tables, with what they do not tell; and the critical-difference diagram."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from reports.across import LEAST_FOR_FRIEDMAN, LEAST_FOR_INTERVALS, Ranking
from reports.comparison import EQUIVALENCE
from reports.statistics import LEVEL

LEGEND = (
    "Mean rank of each method over the data sets on which it is ranked with the others: 1 is best; in brackets its "
    "ranks by data set, in their order above. A score that is n/a, collapsed or by construction moves no rank: who is "
    "not ranked on all of these data sets is left out. Best against next: how probable it is that on another data set "
    f"the first is better by more than {EQUIVALENCE:.0%}, within that, or worse (Bayesian signed-rank test)."
)


def across_tables(rankings: Sequence[Ranking], methods: Sequence[str]) -> list[list[str]]:
    """One line for each ranking, header first, methods in columns."""
    shown = [method for method in methods if any(_rank(ranking, method) != "–" for ranking in rankings)]
    header = ["metric", "data sets", *shown, "best against next: better / equal / worse", "left out"]
    lines = [header, ["---"] * len(header)]
    for ranking in rankings:
        best, against = ranking.standings[0].method, ranking.next_best
        chances = f"{against.better:.2f} / {against.equal:.2f} / {against.worse:.2f}"
        lines.append([
            _title(ranking), str(len(ranking.datasets)), *(_rank(ranking, method) for method in shown),
            f"{best} against {against.other}: {chances}", ", ".join(ranking.left_out) or "–",
        ])  # fmt: skip
    return lines


def conclusions(rankings: Sequence[Ranking]) -> list[str]:
    """What can be concluded for methods in general, and what cannot."""
    few = max(len(ranking.datasets) for ranking in rankings)
    said = []
    if few < LEAST_FOR_INTERVALS:
        said.append(
            f"Of {few} data sets nothing is concluded about others: intervals of mean ranks are given from "
            f"{LEAST_FOR_INTERVALS} on, Friedman's test from {LEAST_FOR_FRIEDMAN}."
        )
    elif few < LEAST_FOR_FRIEDMAN:
        said.append(
            f"Intervals are over data sets and seeds. Whether mean ranks differ at all is tested (Friedman, with "
            f"Nemenyi's critical difference) from {LEAST_FOR_FRIEDMAN} complete data sets on; there are {few}."
        )
    for ranking in rankings:
        if ranking.friedman is not None:
            told = "differ" if ranking.friedman < LEVEL else "cannot be told apart"
            said.append(
                f"{_title(ranking)}: mean ranks over {len(ranking.datasets)} data sets {told} (Friedman, p = "
                f"{ranking.friedman:.2g}; critical difference {ranking.critical.cd:.2f})."
            )
    return said


def critical_difference(ranking: Ranking) -> Figure:
    """Mean ranks on a line, a bar over those that cannot be told apart (Nemenyi)."""
    from autorank import plot_stats

    figure = Figure(figsize=(6, 0.9 + 0.15 * len(ranking.standings)), layout="constrained")
    axes = figure.add_subplot()
    plot_stats(ranking.critical, allow_insignificant=True, ax=axes)
    axes.set_title(_title(ranking), fontsize=9)
    return figure


def _title(ranking: Ranking) -> str:
    return ranking.metric + (f" ({ranking.among} decoders)" if ranking.among else "")


def _rank(ranking: Ranking, method: str) -> str:
    """'1.7 (1 2 2)', or '1.7 [1.2, 2.4]' of many data sets."""
    for standing in ranking.standings:
        if standing.method == method:
            if standing.low is not None and standing.high is not None:
                return f"{standing.mean:.1f} [{standing.low:.1f}, {standing.high:.1f}]"
            return f"{standing.mean:.1f} ({' '.join(f'{rank:g}' for rank in standing.ranks)})"
    return "–"
