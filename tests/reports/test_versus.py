"""Two sets of results against each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reports.frames import results_frame
from reports.samples import by_metric, no_points, samples_of, standing
from reports.versus import Results, versus
from tests.reports.test_reports import row

RNG = np.random.default_rng(0)
LUCK = {(method, seed): RNG.normal(0, 0.02, 300) for method in "ab" for seed in range(20)}
OF_SEED = RNG.normal(0, 0.01, 20)
HARD = np.exp(0.5 * RNG.normal(size=300))


def results(shift=0.0, seeds=range(5), data="abc", version=1, **more):
    """Two methods, each scored on the same 300 points; the second one is shifted."""
    points = {
        f"{m}roll{s}": {"mcn": HARD + LUCK[m, s] + OF_SEED[s] + (shift * (1 + LUCK["a", s]) if m == "b" else 0)}
        for m in "ab"
        for s in seeds
    }
    rows = [row(m, seed=s, value=points[f"{m}roll{s}"]["mcn"].mean(), **more) for m in "ab" for s in seeds]
    return Results(results_frame(rows), lambda cell: points[cell], {"roll": data}, {"mcn": version})


def verdicts(before, after, metrics=(), equivalence=0.01):
    return {found.method: found.verdict for found in versus(before, after, metrics, equivalence)}


def test_a_folder_equals_itself():
    assert verdicts(results(), results()) == {"a": "equal", "b": "equal"}


@pytest.mark.parametrize(("shift", "verdict"), [(0.2, "worse"), (-0.2, "better")])
def test_a_real_change_is_found_in_the_method_that_has_it(shift, verdict):
    assert verdicts(results(), results(shift)) == {"a": "equal", "b": verdict}
    found = {c.method: c for c in versus(results(), results(shift), (), 0.01)}["b"]
    assert found.difference == pytest.approx(shift, rel=0.01) and found.low <= shift <= found.high


def test_a_change_is_better_where_more_is_better():
    higher = {"better": "higher"}
    assert verdicts(results(**higher), results(0.2, **higher))["b"] == "better"


def test_other_seeds_are_no_change():
    found = verdicts(results(), results(seeds=range(5, 10)))
    assert set(found.values()) <= {"equal", "not separable"}


def test_values_of_repeated_seeds_are_paired_in_the_order_of_their_seeds():
    """In a frame of another program rows may have any order; by their numbers they are paired with another's."""
    frame = results_frame([row("a", seed=s // 2, value=float(s), cell_id=str(s)) for s in range(4)])
    sample = samples_of(by_metric(frame.iloc[[2, 0, 3, 1]]), ["mcn"], no_points)["mcn"]
    assert sample.values.tolist() == [0, 1, 2, 3] and sample.seeds == (0, 1, 2, 3)


def test_a_split_or_reason_that_another_program_left_out_is_not_called_none():
    frame = results_frame([row("a", seed=s, split=None, reason=None, status="collapsed") for s in range(3)])
    scores = by_metric(frame)
    assert samples_of(scores, ["mcn"], no_points)["mcn"].split == "test"
    assert standing(scores, "mcn") == ("collapsed", "")


def test_a_change_within_the_region_of_equivalence_is_none():
    assert verdicts(results(), results(0.003), equivalence=0.01)["b"] == "equal"
    assert verdicts(results(), results(0.003), equivalence=0.0)["b"] == "worse"


def test_what_cannot_be_compared_says_why():
    for other, why in ((results(data="xyz"), "other data"), (results(version=2), "other metric")):
        assert all(c.verdict == "not comparable" and why in c.reason for c in versus(results(), other, (), 0.01))
    alone = results()
    alone = Results(alone.frame[alone.frame["method"] == "a"], alone.points_of, alone.data, alone.versions)
    missing = {c.method: c for c in versus(results(), alone, (), 0.01)}["b"]
    assert missing.verdict == "not comparable" and missing.reason == "not among the results after"
    trained = results(split="train")
    assert {c.reason for c in versus(results(), trained, (), 0.01)} == {"scored on the test split before, train after"}


def test_a_collapse_and_a_failure_are_worse_and_a_trivial_score_is_neither():
    collapsed = results(status="collapsed", reason="explained variance 0.1, below 0.5")
    assert set(verdicts(results(), collapsed).values()) == {"worse"}
    assert set(verdicts(collapsed, results()).values()) == {"better"}
    assert set(verdicts(results(), results(status="by construction", reason="affine")).values()) == {"not comparable"}
    failed = results_frame([row(m, seed=0, value=None, status="timeout", reason="too slow") for m in "ab"])
    found = versus(results(), Results(failed, lambda cell: {}, {}, {}), (), 0.01)
    assert {c.verdict for c in found} == {"worse"} and "timeout" in found[0].reason


def test_models_that_failed_are_worse_and_change_nothing_for_the_others():
    some = results()
    lost = some.frame.astype({"status": "string"})
    gone = (lost["method"] == "b") & (lost["seed"] > 0)
    lost.loc[gone, ["value", "status"]] = [None, "crashed"]
    found = {c.method: c for c in versus(some, Results(lost, some.points_of, some.data, some.versions), (), 0.01)}
    assert found["b"].verdict == "worse" and found["b"].reason == "4 models without a value, 0 before"
    assert found["a"].verdict == "equal"


def test_what_cannot_be_tested_costs_the_others_nothing():
    before, after = results(), results(0.2)
    fixed = [row("a", seed=s, metric=f"fixed{k}", value=1.0) for k in range(50) for s in range(5)]
    moved = [{**r, "value": 2.0} for r in fixed]

    def added(to, rows):
        frame = pd.concat([to.frame, results_frame(rows)], ignore_index=True)
        return Results(frame, to.points_of, to.data, to.versions)

    found = {(c.method, c.metric): c.verdict for c in versus(added(before, fixed), added(after, moved), (), 0.01)}
    assert found["b", "mcn"] == "worse" and found["a", "fixed0"] == "not separable"
