"""How certain a mean is, and what can be told apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics import Estimate, Sample, change, estimate, holm, p_values
from reports.tails import tail_of


def table(rng, n_seeds, n_points, *, of_seeds=0.3, skewed=False, mean=1.0):
    """Scores by seed and point: a seed's luck, a point's difficulty (perhaps with a long tail), and the rest."""
    difficulty = rng.normal(size=(1, n_points))
    if skewed:
        difficulty = np.exp(0.5 * difficulty) - np.exp(0.125)
    rest = rng.normal(size=(n_seeds, n_points))
    return mean + of_seeds * rng.normal(size=(n_seeds, 1)) + difficulty + 0.5 * rest


def sample(points: np.ndarray) -> Sample:
    return Sample(points.mean(axis=1), tuple(range(len(points))), points)


def p_of(a: Sample, b: Sample) -> float | None:
    return p_values({"a": a, "b": b}).get(frozenset("ab"))


def holds(found: Estimate, truth: float) -> bool:
    assert found.low is not None and found.high is not None
    return found.low <= truth <= found.high


def test_the_mean_and_what_its_interval_is_over():
    rng = np.random.default_rng(0)
    many, few = sample(table(rng, 5, 40)), sample(table(rng, 3, 40))
    assert estimate(many).mean == pytest.approx(many.points.mean())
    assert estimate(many).over == "seeds and points" and estimate(many).n_points == 40
    assert estimate(few).over == "points" and (estimate(few).smallest, estimate(few).largest) == (
        few.values.min(),
        few.values.max(),
    )
    assert estimate(Sample(many.values, many.seeds)).over == "seeds"
    assert estimate(Sample(few.values, few.seeds)).low is None and estimate(Sample(np.array([3.0]))).over == ""
    with pytest.raises(ValueError, match="at least one"):
        estimate(Sample(np.array([])))


def test_a_method_without_a_seed_has_an_interval_over_points_and_none_of_length_zero():
    points = np.tile(np.random.default_rng(0).normal(size=200), (6, 1))
    found = estimate(sample(points))
    assert found.over == "points" and found.low < found.mean < found.high
    assert estimate(sample(np.ones((6, 50)))).low is None


def test_without_seeds_and_tails_it_is_the_interval_of_student():
    values = np.random.default_rng(0).normal(5, 1, size=400)
    found = estimate(Sample(np.array([values.mean()]), (0,), values[None]))
    low, high = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
    assert found.low == pytest.approx(low, abs=0.02) and found.high == pytest.approx(high, abs=0.02)


def test_over_seeds_alone_one_that_failed_does_not_make_the_interval_absurd():
    values = np.array([1.0, 1.0, 0.99, 1.0, 0.55])
    found = estimate(Sample(values, tuple(range(5))))
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 4, values.mean(), stats.sem(values)))


@pytest.mark.parametrize(("n_seeds", "of_seeds", "skewed"), [(5, 0.0, False), (5, 1.0, True), (10, 0.3, True)])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(n_seeds, of_seeds, skewed):
    rng = np.random.default_rng(1)
    drawn = [table(rng, n_seeds, 100, of_seeds=of_seeds, skewed=skewed) for _ in range(200)]
    # 95 % of 200, and three standard errors of that share.
    assert 0.90 <= np.mean([holds(estimate(sample(points)), 1.0) for points in drawn]) <= 0.995


@pytest.mark.parametrize("of_seeds", [0.03, 0.3])
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_equal_methods_are_seldom_told_apart_and_different_ones_nearly_always(n_seeds, of_seeds):
    rng = np.random.default_rng(2)

    def told_apart(difference: float) -> bool:
        # Five methods, scored on the same points, whose difficulty they share.
        shared = rng.normal(size=(1, 100))
        five = {name: shared + table(rng, n_seeds, 100, of_seeds=of_seeds) / 2 for name in "abcde"}
        five["a"] = five["a"] + difference
        found = p_values({name: sample(points) for name, points in five.items()})
        return bool(holm(np.array(list(found.values()))).min() < 0.05)

    # At most 5 % of 200, and three standard errors of that share.
    assert np.mean([told_apart(0.0) for _ in range(200)]) <= 0.096
    assert np.mean([told_apart(2.0) for _ in range(50)]) >= 0.9


def test_pairing_by_point_tells_what_the_intervals_alone_do_not():
    rng = np.random.default_rng(3)
    hard = 10 * rng.normal(size=(1, 200))
    a, b = sample(hard + rng.normal(size=(5, 200))), sample(hard + 0.5 + rng.normal(size=(5, 200)))
    assert p_of(a, b) < 0.01
    assert holds(estimate(a), estimate(b).mean)


def test_what_cannot_be_told_from_chance_is_not_told():
    steady, other = Sample(np.array([0.8, 0.8, 0.8]), (0, 1, 2)), Sample(np.array([0.7, 0.7, 0.7]), (0, 1, 2))
    assert p_of(steady, other) is None
    assert p_of(Sample(np.array([1.0]), (0,)), Sample(np.array([2.0]), (0,))) is None
    assert p_of(steady, Sample(np.array([0.5]), (9,))) is None
    assert p_of(steady, Sample(np.array([0.5, 0.51, 0.52]), (0, 1, 2))) < 0.01


def test_equal_scores_are_equal():
    points = table(np.random.default_rng(0), 3, 50)
    assert p_of(sample(points), sample(points)) == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_by_its_definition(p_values):
    p = np.array(p_values)
    order = np.argsort(p, kind="stable")
    expected = [
        min(1.0, max((len(p) - earlier) * p[order[earlier]] for earlier in range(rank + 1))) for rank in range(len(p))
    ]
    assert holm(p)[order] == pytest.approx(expected)


def test_a_mean_that_one_seed_or_a_few_points_carry_is_found():
    rng = np.random.default_rng(0)
    usual = 1.6 + 0.1 * rng.normal(size=(3, 100))
    assert tail_of(sample(usual)) is None
    usual[1] = 1072
    found = tail_of(sample(usual))
    assert found.carried_by == "seed 1" and found.median == pytest.approx(1.6, abs=0.1)
    points = 1 + 0.1 * rng.random(size=(3, 100))
    points[:, 7] = 1e4
    assert tail_of(sample(points)).carried_by == "points" and tail_of(sample(points)).median < 1.2
    many = Sample(np.array([1.0, 1.1, 0.9, 1.05, 0.95, 9.0]), tuple(range(6)))
    assert tail_of(many).carried_by == "seed 5"
    assert tail_of(Sample(np.array([0.967, 0.967, 0.967, 0.967, 0.963]), tuple(range(5)))) is None
    assert tail_of(Sample(np.array([0.95, 0.9501, 0.9502, 0.9499, 0.952]), tuple(range(5)))) is None
    assert tail_of(Sample(np.array([10.0, 1.0]), (0, 1))) is None


def test_a_change_is_that_of_the_seeds_that_both_have():
    whole, without_the_first = Sample(np.arange(1.0, 6.0), (0, 1, 2, 3, 4)), Sample(np.arange(2.0, 6.0), (1, 2, 3, 4))
    found = change(whole, without_the_first)
    assert (found.before, found.after, found.difference, found.p) == (3.5, 3.5, 0, 1)
    elsewhere = Sample(np.array([1.1, 2.1, 3.1]), (7, 8, 9))
    assert change(whole, elsewhere).before == 2 and change(whole, elsewhere).difference == pytest.approx(0.1)


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_the_interval_of_a_change_holds_the_truth_and_agrees_with_p(n_seeds):
    rng = np.random.default_rng(5)
    drawn = [change(*(Sample(rng.normal(size=n_seeds), tuple(range(n_seeds))) for _ in range(2))) for _ in range(300)]
    held = np.array([found.low <= 0 <= found.high for found in drawn])
    assert 0.9 <= held.mean() <= 0.99
    if n_seeds < 5:
        assert (held == np.array([found.p >= 0.05 for found in drawn])).all()


def test_methods_of_unlike_size_are_told_apart_by_their_ratio():
    """Three seeds of 1 +- 0.3 are no scale for three of 0.01 +- 0.003: what they differ by is a factor of 100."""
    large = Sample(np.array([0.7, 1.0, 1.3]), (0, 1, 2))
    small = Sample(np.array([0.007, 0.013, 0.01]), (0, 1, 2))
    other = Sample(np.array([0.9, 0.65, 1.2]), (0, 1, 2))
    found = p_values({"large": large, "small": small, "other": other})
    assert max(found[frozenset(pair)] for pair in (("large", "small"), ("other", "small"))) < 0.01
    assert found[frozenset(("large", "other"))] > 0.2


@given(st.floats(1e-6, 1e6))
def test_a_factor_common_to_all_scores_changes_no_verdict(factor):
    rng = np.random.default_rng(0)
    points = {name: np.exp(rng.normal(size=(3, 40))) for name in "abc"}
    samples = {n: Sample(p.mean(axis=1), (0, 1, 2), p) for n, p in points.items()}
    scaled = {n: Sample(factor * s.values, s.seeds, factor * s.points) for n, s in samples.items()}
    for pair, p in p_values(samples).items():
        assert p_values(scaled)[pair] == pytest.approx(p, rel=1e-6)
