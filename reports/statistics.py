"""Means over seeds and test points, how certain they are, and whether two can be told apart.

The scores of one method on one data set are a table, seeds in rows and the same test points in columns. Both are
drawn: other seeds and other points would have given another mean. Its variance is that of a two-way random effects
model, (MS_seeds + MS_points - MS_residual) / cells, with Satterthwaite's degrees of freedom; intervals come from a
hierarchical bootstrap that draws seeds and points and studentises with it, because a few seeds, or points with a long
tail, make a percentile interval too short. Scores that have no points have Student's interval over seeds.

Source: Owen 2007, The pigeonhole bootstrap, Ann. Appl. Stat. 1; Efron and Tibshirani 1993, chapter 12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

import numpy as np
from scipy import stats

Array = np.ndarray

# Fewer say too little about other seeds for an interval to be called one over seeds.
LEAST_SEEDS = 5
RESAMPLES = 1_000
# Of being wrong, for all comparisons of a ranking together.
LEVEL = 0.05
# Above so many points a mean over them is normal enough to do without resampling; of two to four seeds, or of a few
# values without points, too few different samples can be drawn for it, and some of them hardly vary.
_RESAMPLED_UP_TO = 5_000


@dataclass(frozen=True, eq=False)
class Sample:
    """The scores of one metric of one method on one data set.

    Attributes:
        values: by seed (n_seeds,). seeds: which those are.
        points: by seed and test point (n_seeds, n_points), where the metric gives them; their means are the values.
        split: of which split the points are.
        influence: whether `points` are influences on the score, and not scores of the points.
    """

    values: Array
    seeds: tuple[int, ...] = ()
    points: Array | None = None
    split: str = "test"
    influence: bool = False

    @property
    def n_points(self) -> int | None:
        return None if self.points is None else self.points.shape[1]


@dataclass(frozen=True)
class Estimate:
    """A mean, and how certain it is.

    Attributes:
        low, high: its 95 % interval, or None where there can be none.
        over: what else could have been drawn, for the interval: 'seeds and points', 'points', 'seeds', or ''.
        n: seeds. n_points: test points, or None where the metric gives none.
        smallest, largest: of the values by seed.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    n_points: int | None = None
    over: str = ""
    smallest: float | None = None
    largest: float | None = None


def estimate(sample: Sample) -> Estimate:
    """Mean and interval: over seeds and points from five seeds on, over the points alone for fewer.

    Raises:
        ValueError: there are no values.
    """
    values = np.asarray(sample.values, dtype=np.float64)
    if values.size == 0:
        raise ValueError("an estimate needs at least one value")
    table, over = _table(sample, values)
    interval = None if table is None else _interval(table)
    low, high = (None, None) if interval is None else interval
    return Estimate(
        float(values.mean()), low, high, values.size, sample.n_points, over if interval is not None else "",
        float(values.min()), float(values.max()),
    )  # fmt: skip


def p_values(samples: Mapping[str, Sample]) -> dict[frozenset[str], float]:
    """For each pair of methods the two-sided p of the hypothesis that they have the same mean.

    Where no score can be negative, logarithms are compared: methods then differ by a factor, and a method whose scores
    are large, and vary as much, does not set the scale for those with small ones.

    Pairs are compared by test point and seed. Of few seeds some pair's differences lie close together by chance, and
    of many pairs one surely does: no pair is taken to vary less over seeds than pairs commonly do (the median), unless
    neither method varies at all.

    Returns:
        No value for a pair of which nothing tells how far chance goes: one value each, or values that are the same for
        every seed and are not known by point.
    """
    if all(map(is_of_a_ratio_scale, samples.values())):
        samples = {name: logarithm(sample) for name, sample in samples.items()}
    return _p_values(samples)


def is_of_a_ratio_scale(sample: Sample) -> bool:
    """Whether no score is negative, so that methods differ by a factor."""
    by_point = None if sample.influence else sample.points
    return bool(np.min(sample.values) > 0 and (by_point is None or by_point.min() >= 0))


def logarithm(sample: Sample) -> Sample:
    """The logarithm of each seed's score, with the points' influences on it (to first order) around it."""
    values = np.log(sample.values)
    relative = None if sample.points is None else sample.points / sample.points.mean(axis=1, keepdims=True) - 1
    return replace(sample, values=values, points=None if relative is None else values[:, None] + relative)


def _p_values(samples: Mapping[str, Sample]) -> dict[frozenset[str], float]:
    found = {
        frozenset((a, b)): _difference(samples[a], samples[b])
        for a, b in combinations(sorted(samples), 2)
        if _can_be_compared(samples[a], samples[b])
    }
    spreads = [d.of_seeds for d in found.values() if d.n_seeds > 1 and not d.fixed]
    if len(spreads) < 2:
        return {pair: _p_value(difference, 0.0, 1.0) for pair, difference in found.items()}
    seeds = max(d.n_seeds for d in found.values())
    # The median of a mean square lies below its mean.
    common = float(np.median(spreads)) * (seeds - 1) / float(stats.chi2.median(seeds - 1))
    freedom = float((len(samples) - 1) * (seeds - 1))
    return {pair: _p_value(difference, common, freedom) for pair, difference in found.items()}


@dataclass(frozen=True)
class _Difference:
    """The differences of two methods by seed and point.

    Attributes:
        mean: of all. n_seeds, n_points: how many there are.
        of_seeds: variance of the means by seed. of_points, residual: mean squares over seeds, by cell.
        fixed: neither method varies over seeds.
    """

    mean: float
    n_seeds: int
    n_points: int
    of_seeds: float
    of_points: float
    residual: float
    fixed: bool


def _can_be_compared(a: Sample, b: Sample) -> bool:
    table = _differences(a, b)
    if table is None or table.size == 1:
        return False
    return table.shape[1] > 1 or bool(np.ptp(a.values) or np.ptp(b.values))


def _difference(a: Sample, b: Sample) -> _Difference:
    table = _differences(a, b)
    assert table is not None
    seeds, points, residual = _mean_squares(table)
    S, n = table.shape
    fixed = not np.ptp(a.values) and not np.ptp(b.values)
    return _Difference(float(table.mean()), S, n, seeds / n, max(points - residual, 0.0), residual, fixed)


def _p_value(difference: _Difference, common: float, freedom: float) -> float:
    """Satterthwaite's t test, the means by seed varying at least by what is common to the pairs."""
    S, n = difference.n_seeds, difference.n_points
    own = max(difference.of_seeds, difference.residual / n)
    pooled = common > own and not difference.fixed
    of_seeds = (common if pooled else own) / S
    of_points = difference.of_points / (S * n)
    variance = of_seeds + of_points
    if variance <= (1e-12 * difference.mean) ** 2:
        return 0.0 if difference.mean else 1.0
    degrees = _satterthwaite((of_seeds, freedom if pooled else S - 1), (of_points, n - 1))
    return float(2 * stats.t.sf(abs(difference.mean) / np.sqrt(variance), degrees))


@dataclass(frozen=True)
class Change:
    """How the mean went from one sample to another.

    Attributes:
        before, after: the means of what is paired. difference: after - before.
        low, high: its 95 % interval, or None where nothing tells how far chance goes.
        p: two-sided, of there being no difference; None where there is no interval.
    """

    before: float
    after: float
    difference: float
    low: float | None
    high: float | None
    p: float | None


def change(before: Sample, after: Sample) -> Change:
    """The difference of two runs of one method, paired by test point, and by seed where they have the same.

    Other seeds are paired in their order: as none of them has to do with another, any order is as good.
    """
    common = [seed for seed in before.seeds if seed in after.seeds]
    if common:
        before, after = (_rows(sample, [sample.seeds.index(s) for s in common]) for sample in (before, after))
    else:
        n = range(min(len(before.values), len(after.values)))
        before, after = _rows(before, n), _rows(after, n)
    table = _differences(after, before)
    means = float(before.values.mean()), float(after.values.mean())
    difference = means[1] - means[0]
    p = _p_values({"before": before, "after": after}).get(frozenset(("before", "after")))
    if p is None or table is None:
        return Change(*means, difference, None, None, None)
    low, high = _interval(table) or (difference, difference)
    return Change(*means, difference, low, high, p)


def _rows(sample: Sample, rows: Sequence[int]) -> Sample:
    """These rows of a sample, numbered anew."""
    points = None if sample.points is None else sample.points[list(rows)]
    return replace(sample, values=sample.values[list(rows)], seeds=tuple(range(len(rows))), points=points)


def holm(p_values: Array) -> Array:
    """Adjusted p-values (m,), which hold the error of all m comparisons together (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    m = len(p_values)
    stepped = np.maximum.accumulate((m - np.arange(m)) * p_values[order])
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(1, stepped)
    return adjusted


def _table(sample: Sample, values: Array) -> tuple[Array | None, str]:
    """What an interval is made from, seeds in rows and points in columns, and what it is over."""
    many = values.size >= LEAST_SEEDS
    if sample.points is not None:
        # Rows that are all the same are those of a method without a seed.
        varies = bool(np.ptp(values) > 0)
        return (sample.points, "seeds and points") if many and varies else (_mean_over_seeds(sample.points), "points")
    return (values[:, None], "seeds") if many else (None, "")


def _mean_over_seeds(points: Array) -> Array:
    mean: Array = points.mean(axis=0, keepdims=True)
    return mean


def _differences(a: Sample, b: Sample) -> Array | None:
    """The differences by seed and point; by seed alone where either has no points, or others."""
    of_a, of_b = ({seed: row for row, seed in enumerate(sample.seeds)} for sample in (a, b))
    common = [seed for seed in of_a if seed in of_b]
    rows = ([of_a[seed] for seed in common], [of_b[seed] for seed in common])
    if not common:
        return None
    paired = a.points is not None and b.points is not None and a.split == b.split and a.n_points == b.n_points
    if paired:
        assert a.points is not None and b.points is not None
        return np.asarray(a.points[rows[0]] - b.points[rows[1]])
    return np.asarray(a.values[rows[0]] - b.values[rows[1]])[:, None]


def _mean_squares(table: Array) -> tuple[float, float, float]:
    """Of seeds, of points and of what is left, for a table (seeds, points); 0 where there is one of them alone."""
    S, n = table.shape
    by_seed, by_point = table.mean(axis=1), table.mean(axis=0)
    seeds = float(n * by_seed.var(ddof=1)) if S > 1 else 0.0
    points = float(S * by_point.var(ddof=1)) if n > 1 else 0.0
    if S == 1 or n == 1:
        return seeds, points, 0.0
    left = table - by_seed[:, None] - by_point + table.mean()
    return seeds, points, float(np.square(left).sum() / ((S - 1) * (n - 1)))


def _variance(table: Array) -> tuple[float, float]:
    """Variance of the mean of a table (seeds, points) and its degrees of freedom; 0 where it cannot be had.

    Where few seeds happen to lie nearer to each other than their own scatter lets them, that scatter counts.
    """
    S, n = table.shape
    seeds, points, residual = _mean_squares(table)
    of_seeds, of_points = max(seeds, residual), max(points - residual, 0.0)
    total = of_seeds + of_points
    if total == 0:
        return 0.0, 1.0
    return total / (S * n), _satterthwaite((of_seeds, S - 1), (of_points, n - 1))


def _satterthwaite(*parts: tuple[float, float]) -> float:
    """Degrees of freedom of a sum of variances, each given with its own; not all of the variances are 0."""
    total = sum(part for part, _ in parts)
    return total**2 / sum(part**2 / degrees for part, degrees in parts if degrees > 0)


def _interval(table: Array) -> tuple[float, float] | None:
    """95 % interval of the mean of a table; None where its values do not vary."""
    variance, freedom = _variance(table)
    if variance <= (1e-12 * np.abs(table).max(initial=0)) ** 2:
        return None
    mean, error = float(table.mean()), float(np.sqrt(variance))
    S, n = table.shape
    if n == 1 or 1 < S < LEAST_SEEDS or n > _RESAMPLED_UP_TO:
        reach = float(stats.t.ppf(0.975, freedom))
        return mean - reach * error, mean + reach * error
    deviations = _studentised(table - mean)
    low, high = mean - error * np.quantile(deviations, [0.975, 0.025])
    # A mean over many points lies between the smallest and the largest of them.
    return float(max(low, table.min())), float(min(high, table.max()))


def _studentised(table: Array) -> Array:
    """Mean over standard error (RESAMPLES,) of tables whose seeds and points are drawn anew from a centred one."""
    S, n = table.shape
    if S == 1:
        return _studentised_line(table[0])
    seeds, points = _weights(S), _weights(n)
    by_seed = points @ table.T / n
    by_point = seeds @ table / S
    mean = np.einsum("bs,bs->b", seeds, by_seed) / S
    squares = np.einsum("bs,bs->b", seeds, points @ np.square(table).T)
    of_seeds = np.einsum("bs,bs->b", seeds, np.square(by_seed)) / S - mean**2
    of_points = np.einsum("bn,bn->b", points, np.square(by_point)) / n - mean**2
    residual = np.maximum(squares / (S * n) - mean**2 - of_seeds - of_points, 0) * S * n / ((S - 1) * (n - 1))
    from_seeds = np.maximum(of_seeds * S * n / (S - 1), residual)
    variance = (from_seeds + np.maximum(of_points * S * n / (n - 1) - residual, 0)) / (S * n)
    return _over_error(mean, variance, table)


def _studentised_line(values: Array) -> Array:
    """The same for points alone, a line (n,)."""
    n = values.size
    # Not by BLAS, whose threads wait for each other far longer than so small a sum takes.
    mean, squares = (np.einsum("bn,n->b", _weights(n), v) / n for v in (values, np.square(values)))
    return _over_error(mean, (squares - mean**2) / (n - 1), values)


def _over_error(mean: Array, variance: Array, values: Array) -> Array:
    """What is left out has a variance that is rounding alone."""
    drawn = variance > 1e-24 * np.square(values).max()
    result: Array = mean[drawn] / np.sqrt(variance[drawn])
    return result if result.size else np.zeros(1)


@lru_cache(maxsize=8)
def _weights(n: int) -> Array:
    """How often each of n things is drawn in each resample (RESAMPLES, n)."""
    return np.random.default_rng(n).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)
