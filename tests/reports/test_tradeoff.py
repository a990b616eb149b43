from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.frames import as_reported, results_frame
from reports.tradeoff import attained, matched, tradeoffs
from reports.tradeoff_tables import front_table, matched_table
from tests.reports.test_reports import row

OBJECTIVES = ("reconstruction_mse", "mcn")


def configuration(method, config, mse, mcn, **more):
    """Rows of one configuration, one score for each seed."""
    return [
        row(method, seed=seed, metric=metric, value=value, config_id=config, cell_id=f"{config}{seed}", **more)
        for metric, values in zip(OBJECTIVES, (mse, mcn), strict=True)
        for seed, value in enumerate(values)
    ]  # fmt: skip


def selection(method, **fronts):
    """What the ledger says of a front: the scores on tuning seeds by config_id."""
    entries = [
        {"config_id": name, "scores": dict(zip(OBJECTIVES, scores, strict=True))} for name, scores in fronts.items()
    ]
    return {"dataset": "roll", "method": method, "config_id": next(iter(fronts)), "front": entries}  # fmt: skip


def of(rows, *selections):
    (found,) = tradeoffs(results_frame(rows), selections, OBJECTIVES, [], lambda cell: {})
    return found


def two_methods(**more):
    rows = [*configuration("a", "a1", [1.0, 1.0], [3.0, 3.0]), *configuration("a", "a2", [2.0, 2.0], [1.0, 1.0])]
    return [*rows, *configuration("b", "b1", [5.0, 5.0], [5.0, 5.0], **more)]


def test_hypervolume_is_the_dominated_share_of_the_box_up_to_a_tenth_beyond_the_worst():
    found = of(two_methods(), selection("a", a1=(1, 3), a2=(2, 1)), selection("b", b1=(5, 5)))
    # Both axes go from 1 to 5.4; a1 dominates 4.4 x 2.4, a2 adds 3.4 x 2; b1 the corner of 0.4 x 0.4.
    assert found.hypervolume("a").mean == pytest.approx((4.4 * 2.4 + 3.4 * 2) / 4.4**2)
    assert found.hypervolume("b").mean == pytest.approx(0.4**2 / 4.4**2)


def test_wide_scores_are_measured_in_their_logarithm():
    rows = [*configuration("a", "a1", [1.0], [1e-4]), *configuration("b", "b1", [2.0], [1.0])]
    found = of(rows, selection("a", a1=(1, 1)), selection("b", b1=(1, 1)))
    assert found.axes[1].log and not found.axes[0].log
    assert found.axes[1].reference == pytest.approx(10**0.4)
    np.testing.assert_allclose(found.axes[1].score(found.axes[1].cost(np.array([0.01, 1.0]))), [0.01, 1.0])


def test_where_more_is_better_the_front_is_the_mirrored_one():
    def mirrored(value):
        return (
            [row | {"value": 10 - row["value"], "better": "higher"} for row in two_methods()]
            if value
            else two_methods()
        )

    chosen = selection("a", a1=(1, 3), a2=(2, 1)), selection("b", b1=(5, 5))
    plain, turned = of(mirrored(False), *chosen), of(mirrored(True), *chosen)
    assert turned.hypervolume("a").mean == pytest.approx(plain.hypervolume("a").mean)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6), st.integers(0, 2**31))
def test_the_area_of_a_front_is_that_of_what_it_dominates_and_a_dominated_point_adds_none(points, seed):
    from reports.tradeoff import _dominated

    costs = np.array(points)
    area = _dominated(costs)
    drawn = np.random.default_rng(seed).random((4_000, 2))
    inside = (costs[None] <= drawn[:, None]).all(axis=2).any(axis=1).mean()
    assert area == pytest.approx(inside, abs=0.05)
    worse = np.minimum(costs[:1] + 0.1, 1)
    assert _dominated(np.concatenate([costs, worse])) == pytest.approx(area)
    assert _dominated(costs[::-1]) == pytest.approx(area)


def test_the_attained_front_is_the_best_within_each_level_by_seed():
    costs = np.array([[[0.0, 1.0], [0.5, 0.2]], [[0.2, 0.6], [0.5, np.inf]]])
    expected = [[1.0, 1.0, 0.2], [np.inf, 0.6, 0.6]]
    np.testing.assert_array_equal(attained(costs, np.array([0.1, 0.3, 0.9])), expected)


def test_what_is_collapsed_or_by_construction_is_left_out_with_the_reason():
    rows = two_methods()
    flat = configuration("pca", "p", [0.5], [1.0], status="by construction", reason="affine")
    lost = configuration("a", "a3", [9.0], [0.1], status="collapsed", reason="explained variance 0.1, below 0.5")
    found = of(
        [*rows, *flat, *lost], selection("pca", p=(1, 1)), selection("a", a1=(1, 3), a2=(2, 1), a3=(9, 0.1)),
        selection("b", b1=(5, 5)),
    )  # fmt: skip
    assert found.axes[1].best == 1.0 and found.axes[0].best == 1.0
    table = {line[0]: line[1:] for line in front_table(found)[2:]}
    assert table["pca"] == ["0", "–", "1: by construction affine"]
    assert table["a"][0] == "2" and table["a"][2] == "1: collapsed explained variance 0.1, below 0.5"


def test_methods_are_matched_where_all_keep_as_much_and_chosen_on_the_tuning_seeds():
    rows = [
        *configuration("a", "a1", [1.0, 1.1, 1.2], [9.0, 9.1, 9.2]),
        *configuration("a", "a2", [2.0, 2.1, 2.2], [4.0, 4.1, 4.2]),
        *configuration("a", "a3", [8.0, 8.1, 8.2], [1.0, 1.1, 1.2]),
        *configuration("b", "b1", [3.0, 3.1, 3.2], [6.0, 6.1, 6.2]),
        *configuration("b", "b2", [9.0, 9.1, 9.2], [0.5, 0.6, 0.7]),
    ]
    # b reaches 3 at best, so that a may choose among a1 and a2.
    found = matched(of(rows, selection("a", a1=(1, 9), a2=(2, 4), a3=(8, 1)), selection("b", b1=(3, 6), b2=(9, 0.5))))
    assert found.level == 3
    scores = {match.method: match.scores["mcn"].mean for match in found.methods}
    assert scores == {"a": pytest.approx(4.1), "b": pytest.approx(6.1)}
    said, table = matched_table(found)
    assert "reconstruction_mse of at most 3 on the tuning seeds" in said
    assert table[2][2].startswith("**4.1") and not table[3][2].startswith("**")


def test_one_method_alone_or_untuned_ones_are_not_matched():
    assert matched(of(configuration("a", "a1", [1.0], [2.0]), selection("a", a1=(1, 2)))) is None
    untuned = selection("b", b1=(5, 5))
    untuned["front"][0]["scores"] = {}
    assert matched(of(two_methods(), selection("a", a1=(1, 3), a2=(2, 1)), untuned)) is None


def test_of_a_front_the_frame_as_reported_has_one_configuration():
    frame = results_frame([*two_methods(), row("a", phase="tune", config_id="a9")])
    chosen = as_reported(frame, {("roll", "a"): "a2", ("roll", "b"): "b1"})
    assert set(chosen.loc[chosen["phase"] == "final", "config_id"]) == {"a2", "b1"}
    assert len(chosen[chosen["phase"] == "tune"]) == 1
    # Without a ledger nobody says which it is: none is averaged with another.
    assert set(as_reported(frame, {})["method"]) == {"a a1", "a a2", "a", "b"}
