"""Over data sets: how methods rank on one metric, how sure that is, and what so few data sets cannot say.

Source: Demsar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7; Benavoli et al. 2014, A
Bayesian Wilcoxon signed-rank test, ICML.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from reports.comparison import EQUIVALENCE
from reports.leaderboard import Board, Entry
from reports.statistics import LEVEL, RESAMPLES

Array = np.ndarray

# Fewer data sets say too little about others for an interval over them.
LEAST_FOR_INTERVALS = 5
# Friedman's test and Nemenyi's critical difference are asymptotic.
LEAST_FOR_FRIEDMAN = 10
_POSTERIOR_SAMPLES = 2_000


@dataclass(frozen=True)
class Standing:
    """A method's ranks, 1 being the best.

    Attributes:
        ranks: by data set. low, high: 95 % interval of their mean, over data sets and seeds; None of few data sets.
    """

    method: str
    ranks: tuple[float, ...]
    low: float | None
    high: float | None

    @property
    def mean(self) -> float:
        return float(np.mean(self.ranks))


@dataclass(frozen=True)
class Against:
    """How probable it is, on another data set, that the best is better than the next by more than EQUIVALENCE.

    Bayesian signed-rank test of the relative differences by data set; the three add up to 1.
    """

    other: str
    better: float
    equal: float
    worse: float


@dataclass(frozen=True, eq=False)
class Ranking:
    """How the methods that have a ranked score on all data sets rank on one metric.

    Attributes:
        among: 'native' or 'attached' where decoders are ranked apart, else ''.
        standings: the best mean rank first. next_best: the best against the one after it.
        left_out: methods that are ranked on some data sets alone.
        friedman: p of the hypothesis that all rank the same; None for fewer than 10 data sets or 3 methods.
        critical: what `autorank` found, for its diagram.
    """

    metric: str
    among: str
    datasets: tuple[str, ...]
    standings: tuple[Standing, ...]
    next_best: Against
    left_out: tuple[str, ...]
    friedman: float | None = None
    critical: Any = None


def rankings(boards: Sequence[Board]) -> list[Ranking]:
    """One for each metric on which at least two methods are ranked on at least two data sets."""
    found = []
    names = dict.fromkeys(name for board in boards for name in board.metrics)
    for name in names:
        for among in ("", "native", "attached"):
            ranking = _ranking(boards, name, among)
            if ranking is not None:
                found.append(ranking)
    return found


def _ranking(boards: Sequence[Board], name: str, among: str) -> Ranking | None:
    entries = {
        board.dataset: {
            row.method: row.entries[name]
            for row in board.rows
            if name in row.entries and row.entries[name].ranked and row.entries[name].among == among
        }
        for board in boards
    }
    entries = {dataset: ranked for dataset, ranked in entries.items() if len(ranked) > 1}
    everybody = list(dict.fromkeys(method for ranked in entries.values() for method in ranked))
    complete = [method for method in everybody if all(method in ranked for ranked in entries.values())]
    if len(entries) < 2 or len(complete) < 2:
        return None
    sign = next(1 if board.better[name] == "lower" else -1 for board in boards if name in board.better)
    table = [[ranked[method] for method in complete] for ranked in entries.values()]
    costs = sign * np.array([[_mean(entry) for entry in row] for row in table])
    ranks = rankdata(costs, axis=1)
    low, high = _intervals(table, sign)
    standings = [
        Standing(method, tuple(ranks[:, m].tolist()), low[m], high[m]) for m, method in enumerate(complete)
    ]  # fmt: skip
    order = sorted(range(len(complete)), key=lambda m: (standings[m].mean, complete[m]))
    best, after = order[:2]
    critical = _critical(costs, complete)
    return Ranking(
        name, among, tuple(entries), tuple(standings[m] for m in order),
        _against(costs[:, best], costs[:, after], complete[after]),
        tuple(method for method in everybody if method not in complete),
        None if critical is None else float(critical.pvalue), critical,
    )  # fmt: skip


def _mean(entry: Entry) -> float:
    assert entry.estimate is not None
    return entry.estimate.mean


def _intervals(table: Sequence[Sequence[Entry]], sign: int) -> tuple[Sequence[float | None], Sequence[float | None]]:
    """95 % intervals of the mean ranks: data sets are drawn anew, and in each the seeds of each method."""
    n_datasets, n_methods = len(table), len(table[0])
    if n_datasets < LEAST_FOR_INTERVALS:
        return [None] * n_methods, [None] * n_methods
    rng = np.random.default_rng(n_datasets)
    drawn = np.stack([[_resampled(entry, rng) for entry in row] for row in table])
    ranks = rankdata(sign * drawn, axis=1)
    chosen = rng.integers(n_datasets, size=(RESAMPLES, n_datasets))
    means = ranks[chosen.T, :, np.arange(RESAMPLES)].mean(axis=0)
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return low.tolist(), high.tolist()


def _resampled(entry: Entry, rng: np.random.Generator) -> Array:
    """Means (RESAMPLES,) over seeds that are drawn anew."""
    values = np.array([_mean(entry)]) if entry.sample is None else np.asarray(entry.sample.values)
    found: Array = values[rng.integers(values.size, size=(RESAMPLES, values.size))].mean(axis=1)
    return found


def _against(best: Array, other: Array, name: str) -> Against:
    """Of costs by data set, the lower the better."""
    from baycomp import SignedRankTest

    scale = (np.abs(best) + np.abs(other)) / 2
    relative = (other - best) / np.where(scale > 0, scale, 1)
    worse, equal, better = SignedRankTest.probs(
        np.zeros(len(relative)), relative, EQUIVALENCE, nsamples=_POSTERIOR_SAMPLES, random_state=0
    )
    return Against(name, float(better), float(equal), float(worse))


def _critical(costs: Array, methods: Sequence[str]) -> Any:
    """Friedman's test with Nemenyi's critical difference; None where there are too few data sets or methods."""
    if len(costs) < LEAST_FOR_FRIEDMAN or len(methods) < 3:
        return None
    import pandas as pd
    from autorank import autorank

    with contextlib.redirect_stdout(io.StringIO()):
        return autorank(
            pd.DataFrame(costs, columns=list(methods)), alpha=LEVEL, order="ascending", force_mode="nonparametric"
        )
