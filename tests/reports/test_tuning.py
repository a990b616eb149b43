"""Best so far, and which hyperparameters mattered."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reports.frames import results_frame
from reports.palette import styles
from reports.tuning import LEAST_TRIALS, best_so_far, importance_figure, importances, tuned
from tests.reports.test_reports import row


def study(n, value, **more):
    """The trials of a study of n trials of two numbers and a choice, whose score is value(trial)."""
    rng = np.random.default_rng(0)
    rows = []
    for at in range(n):
        params = {"a": rng.random(), "b": 10 ** rng.uniform(-3, 0), "act": ["relu", "silu"][at % 2], "fixed": 3, **more}
        rows.append(row(
            phase="tune", split="validation", params=json.dumps(params), config_id=f"c{at}", cell_id=f"t{at}",
            value=value(params),
        ))  # fmt: skip
    selection = {"dataset": "roll", "method": "a", "trials": [f"t{at}" for at in range(n)]}
    return tuned(results_frame(rows), [selection], "mcn")


def test_what_the_score_depends_on_has_the_largest_share():
    trials = study(40, lambda p: 3 * p["a"] + (p["act"] == "relu"))
    shares = importances(trials)["roll"]["a"]
    assert set(shares) == {"a", "b", "act"} and sum(shares.values()) == pytest.approx(1)
    assert shares["a"] > shares["act"] > shares["b"]
    assert importances(trials)["roll"]["a"] == shares


def test_of_few_trials_or_one_parameter_nothing_is_said():
    assert importances(study(LEAST_TRIALS - 1, lambda p: p["a"])) == {}
    assert importances(study(20, lambda p: p["a"], b=1, act="relu")) == {}
    assert importances(study(20, lambda p: np.nan)) == {}


def test_best_so_far_is_by_trial_and_never_gets_worse():
    trials = study(5, lambda p: p["a"])
    curve = best_so_far(trials)["roll"]["a"]
    assert len(curve) == 5 and curve == sorted(curve, reverse=True)


def test_the_figure_has_a_bar_for_each_parameter():
    trials = study(20, lambda p: p["a"])
    figure = importance_figure(importances(trials), styles(["a"]))
    (panel,) = figure.axes
    assert {label.get_text() for label in panel.get_yticklabels()} == {"a a", "a b", "a act"}
