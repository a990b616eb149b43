from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from metrics.stability import (
    coefficient_of_variation,
    icc,
    iccs,
    interval_of,
    mean_variation,
    resampled,
    seed_spearman,
    without_scale,
)

LENGTHS = np.random.default_rng(0).gamma(4.0, size=30) * np.random.default_rng(1).normal(1, 0.1, size=(6, 30))
positive = arrays(np.float64, (4, 6), elements=st.floats(0.1, 10.0))


def test_the_coefficient_of_variation_of_known_numbers():
    lengths = np.array([[1.0, 2.0], [3.0, 2.0]])
    np.testing.assert_allclose(coefficient_of_variation(lengths), [2**0.5 / 2, 0.0])


def test_models_that_agree_have_no_variation_and_full_correlation():
    lengths = np.tile(np.arange(1.0, 6.0), (3, 1))
    assert (coefficient_of_variation(lengths) == 0).all()
    assert icc(lengths) == pytest.approx(1)
    assert seed_spearman(lengths) == pytest.approx(1)


def test_models_that_say_nothing_of_a_pair_have_no_correlation():
    lengths = np.random.default_rng(0).normal(10, 0.1, size=(10, 2_000))
    assert abs(icc(lengths)) < 0.02
    assert abs(seed_spearman(lengths)) < 0.02
    assert coefficient_of_variation(lengths).mean() < 0.011


def test_icc_is_one_way_analysis_of_variance():
    """Against scipy: F = MSB / MSW, ICC = (F - 1) / (F + S - 1)."""
    from scipy.stats import f_oneway

    F = f_oneway(*LENGTHS.T).statistic
    assert icc(LENGTHS) == pytest.approx((F - 1) / (F + len(LENGTHS) - 1))


def test_seed_spearman_is_scipys_mean_over_pairs_of_models():
    matrix = spearmanr(LENGTHS, axis=1).statistic
    assert seed_spearman(LENGTHS) == pytest.approx(matrix[np.triu_indices(6, 1)].mean())


def test_a_drift_of_scale_is_taken_out():
    scale = np.array([1.0, 2.0, 0.5])[:, None]
    lengths = scale * np.arange(1.0, 9.0)
    assert coefficient_of_variation(lengths).min() > 0.5
    np.testing.assert_allclose(coefficient_of_variation(without_scale(lengths)), 0, atol=1e-12)


@given(lengths=positive, factor=st.floats(0.01, 100.0))
def test_units_do_not_matter(lengths, factor):
    np.testing.assert_allclose(
        coefficient_of_variation(factor * lengths), coefficient_of_variation(lengths), rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(icc(factor * lengths), icc(lengths), rtol=1e-6, atol=1e-6)


@given(lengths=positive, seed=st.integers(0, 100))
def test_neither_the_order_of_models_nor_that_of_pairs_matters(lengths, seed):
    rng = np.random.default_rng(seed)
    models, pairs = rng.permutation(4), rng.permutation(6)
    permuted = lengths[models][:, pairs]
    np.testing.assert_allclose(coefficient_of_variation(permuted), coefficient_of_variation(lengths)[pairs], atol=1e-12)
    np.testing.assert_allclose(icc(permuted), icc(lengths), atol=1e-9)
    np.testing.assert_allclose(seed_spearman(permuted), seed_spearman(lengths), atol=1e-9)


def test_the_interval_covers_the_truth_where_one_over_pairs_alone_does_not():
    """Distances that all share their model's error: 30 pairs are no 30 independent ones."""
    rng = np.random.default_rng(0)
    truth, covered, naive = 2.0, 0, 0
    for trial in range(60):
        lengths = truth + rng.normal(0, 0.3, size=(12, 1)) + rng.normal(0, 0.05, size=(12, 30))
        low, high = interval_of(resampled(lengths, seed=trial).mean(axis=(-2, -1)))
        covered += low <= truth <= high
        of_pairs = lengths.mean(axis=0)
        half = 1.96 * of_pairs.std(ddof=1) / 30**0.5
        naive += abs(of_pairs.mean() - truth) <= half
    assert covered >= 51
    assert naive <= 24


def test_the_interval_is_the_same_for_the_same_seed():
    first, again = (interval_of(iccs(resampled(LENGTHS, seed=3))) for _ in range(2))
    assert first == again
    assert first.low < icc(LENGTHS) < 1.0
    assert first != interval_of(iccs(resampled(LENGTHS, seed=4)))


def test_of_several_at_once_each_is_as_it_is_alone():
    drawn = resampled(LENGTHS)[:20]
    np.testing.assert_allclose(iccs(drawn), [icc(lengths) for lengths in drawn], rtol=1e-12)
    alone = [coefficient_of_variation(lengths).mean() for lengths in drawn]
    np.testing.assert_allclose(mean_variation(drawn), alone, rtol=1e-12)


def test_kinds_of_distances_share_their_draws():
    both = resampled(np.stack([LENGTHS, 2 * LENGTHS]))
    assert both.shape == (1_000, 2, 6, 30)
    np.testing.assert_array_equal(both[:, 1], 2 * both[:, 0])
    np.testing.assert_array_equal(both[:, 0], resampled(LENGTHS))


def test_one_model_has_no_interval():
    with pytest.raises(ValueError, match="at least 2 models"):
        resampled(np.ones((1, 5)))


@pytest.mark.parametrize("function", [coefficient_of_variation, icc, seed_spearman])
@pytest.mark.parametrize("lengths", [np.ones((1, 5)), np.ones(5), np.ones((2, 3, 4))])
def test_one_model_or_another_shape_is_refused(function, lengths):
    with pytest.raises(ValueError, match="at least 2 models"):
        function(lengths)


def test_what_is_undefined_is_nan():
    equal = np.ones((3, 4))
    assert np.isnan(icc(equal))
    assert np.isnan(seed_spearman(equal))
    assert np.isnan(coefficient_of_variation(np.zeros((3, 2)))).all()
