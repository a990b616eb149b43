"""Claims are judged by intervals, and by nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reports.claims import Judged, judged, said, summary, table
from reports.frames import results_frame
from reports.samples import no_points

CLAIM = {
    "statement": "A is better than B.", "source": "a paper", "published": "1 against 2", "metric": "mcn", "left": "a",
    "sign": "<", "factor": 1.0, "right": "b", "right_metric": "mcn", "value": None, "datasets": ["one"],
}  # fmt: skip


def frame(values: dict[tuple[str, str, str], list[float]], status: str = "ok") -> pd.DataFrame:
    """Scores by data set, method and metric, one for each seed."""
    return results_frame(
        {
            "suite": "s", "phase": "final", "dataset": dataset, "method": method, "config_id": method, "metric": metric,
            "cell_id": f"{dataset}{method}{seed}", "seed": seed, "split": "test", "value": value, "better": "lower",
            "status": status, "reason": "said" if status != "ok" else "", "decoder": "native",
        }
        for (dataset, method, metric), found in values.items()
        for seed, value in enumerate(found)
    )  # fmt: skip


def spread(mean: float, seed: int = 0, n: int = 8) -> list[float]:
    return list(mean + 0.1 * np.random.default_rng(seed).standard_normal(n))


def only(claim: dict, values: dict, status: str = "ok") -> Judged:
    (found,) = judged([claim], frame(values, status), no_points)
    return found


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [(1.0, 2.0, "reproduced"), (2.0, 1.0, "not reproduced"), (1.0, 1.005, "inconclusive")],
)
def test_the_interval_of_the_difference_decides(left, right, verdict):
    values = {("one", "a", "mcn"): spread(left), ("one", "b", "mcn"): spread(right, 1)}
    assert only(CLAIM, values).verdict == verdict
    turned = {**CLAIM, "sign": ">", "left": "b", "right": "a"}
    assert only(turned, values).verdict == verdict


def test_a_factor_scales_what_is_compared_with():
    values = {("one", "a", "mcn"): spread(1.0), ("one", "b", "mcn"): spread(1.8, 1)}
    assert only({**CLAIM, "factor": 0.8}, values).verdict == "reproduced"
    assert only({**CLAIM, "factor": 0.4}, values).verdict == "not reproduced"
    assert only({**CLAIM, "factor": 0.4}, values).rule == "mcn of a < 0.4 mcn of b"


def test_a_value_is_compared_with_the_interval_of_the_mean():
    against = {**CLAIM, "right": "", "value": 1.5}
    values = {("one", "a", "mcn"): spread(1.0)}
    assert only(against, values).verdict == "reproduced"
    assert only({**against, "value": 0.5}, values).verdict == "not reproduced"
    assert only({**against, "value": float(np.mean(spread(1.0)))}, values).verdict == "inconclusive"


def test_a_claim_has_to_hold_on_all_of_its_data():
    values = {
        ("one", "a", "mcn"): spread(1.0), ("one", "b", "mcn"): spread(2.0, 1),
        ("two", "a", "mcn"): spread(2.0), ("two", "b", "mcn"): spread(1.0, 1),
    }  # fmt: skip
    both = {**CLAIM, "datasets": ["one", "two"]}
    found = only(both, values)
    assert [finding.verdict for finding in found.findings] == ["reproduced", "not reproduced"]
    assert found.verdict == "not reproduced"
    values[("two", "a", "mcn")] = spread(1.0, 3)
    assert only(both, values).verdict == "inconclusive"


@pytest.mark.parametrize(("n_seeds", "verdict"), [(5, "reproduced"), (4, "inconclusive")])
def test_many_seeds_that_all_have_one_value_are_on_one_side_of_a_bound(n_seeds, verdict):
    bounded = {**CLAIM, "right": "", "right_metric": "", "value": 1.5}
    assert only(bounded, {("one", "a", "mcn"): [1.0] * n_seeds}).verdict == verdict
    assert only({**bounded, "value": 0.5}, {("one", "a", "mcn"): [1.0] * 5}).verdict == "not reproduced"


def test_one_seed_without_points_tells_nothing():
    found = only(CLAIM, {("one", "a", "mcn"): [1.0], ("one", "b", "mcn"): [2.0]})
    assert found.verdict == "inconclusive"
    assert found.findings[0].reason == "nothing tells how far chance goes"


@pytest.mark.parametrize("status", ["collapsed", "by construction"])
def test_scores_that_do_not_count_decide_nothing(status):
    values = {("one", "a", "mcn"): spread(1.0), ("one", "b", "mcn"): spread(2.0, 1)}
    found = only(CLAIM, values, status)
    assert found.verdict == "inconclusive" and found.findings[0].ours == "no score that counts"
    assert found.findings[0].reason == f"a: mcn {status}, said"


def test_a_method_that_failed_is_named():
    found = only(CLAIM, {("one", "b", "mcn"): spread(2.0)})
    assert found.verdict == "inconclusive" and "a: mcn" in found.findings[0].reason


def test_values_over_seeds_are_told_apart_by_their_own_intervals():
    def over_seeds(method, metric, value):
        return {
            "suite": "s", "phase": "final", "dataset": "one", "method": method, "config_id": method, "metric": metric,
            "cell_id": method, "seed": None, "n_seeds": 5, "split": "test", "value": value, "better": "lower",
            "status": "ok", "reason": "", "decoder": "native",
        }  # fmt: skip

    def verdict_of(claim, bounds):
        rows = [
            over_seeds(method, metric + end, value)
            for (method, metric), values in bounds.items()
            for end, value in zip(("", "_low", "_high"), values, strict=True)
        ]
        return judged([claim], results_frame(rows), no_points)[0].verdict

    own = {**CLAIM, "metric": "cv", "right": "a", "right_metric": "cv_euclidean"}
    apart = {("a", "cv"): (0.2, 0.15, 0.25), ("a", "cv_euclidean"): (0.4, 0.3, 0.5)}
    assert verdict_of(own, apart) == "reproduced"
    assert verdict_of({**own, "sign": ">"}, apart) == "not reproduced"
    assert verdict_of(own, apart | {("a", "cv"): (0.3, 0.2, 0.4)}) == "inconclusive"


def test_the_table_says_what_was_claimed_and_what_was_found():
    values = {("one", "a", "mcn"): spread(1.0), ("one", "b", "mcn"): spread(2.0, 1)}
    found = [only(CLAIM, values)]
    head, row = table(found)
    assert row[0] == "A is better than B." and row[1] == "**reproduced**" and row[3] == "1 against 2"
    assert head[1] == "verdict" and "against" in row[2]
    assert summary(found) == "1 of 1 claims reproduced, 0 not, 0 inconclusive."
    assert len(said(found, [{"claims": [CLAIM]}])) == 1
    assert "changed once there were results" in said(found, [{"claims": []}, {"claims": [CLAIM]}])[1]
    reworded = {**CLAIM, "source": "the same paper", "published": ""}
    assert len(said(found, [{"claims": [CLAIM]}, {"claims": [reworded]}])) == 1
    judged_anew = {"claims": [CLAIM], "min_explained_variance": 0.3}
    assert len(said(found, [{"claims": [CLAIM], "min_explained_variance": 0.5}, judged_anew])) == 2
    assert said([], []) == []
