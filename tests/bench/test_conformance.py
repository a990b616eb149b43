"""`bench check` of data sets and metrics: what keeps the contract passes, what breaks it is named."""

from __future__ import annotations

import numpy as np
import pytest

from bench.conformance import ConformanceError, checks
from bench.suite import registry
from datasets.base import Data
from metrics.metric import Metric

SMALL = {"n": 300}


@pytest.mark.parametrize("name", ["swiss_roll", "digits", "sphere_cap", "torus", "spiral"])
def test_data_sets_keep_the_contract(name):
    for check in checks(registry.dataset(name), **({} if name in ("digits", "spiral") else SMALL)):
        check()


@pytest.mark.parametrize("name", registry.names("metric"))
def test_metrics_keep_the_contract(name):
    for check in checks(registry.metric(name)):
        check()


X = np.random.default_rng(0).normal(size=(40, 3))


class Drawn:
    def load(self):
        return Data(np.random.default_rng().normal(size=(40, 3)))


class Torn:
    def load(self):
        return Data(X, train=np.arange(30), validation=np.arange(20, 35), test=np.arange(35, 40))


class Lopsided:
    def load(self):
        return Data(X, geodesic=lambda i, j: np.maximum(X[i, 0] - X[j, 0], 0))


@pytest.mark.parametrize(
    ("component", "broken"),
    [
        (Drawn, {"the_same_each_time": "draw by a seed"}),
        (Torn, dict.fromkeys(["load_gives_usable_data"], "overlap")),
        (Lopsided, dict.fromkeys(["a_part_of_it_is_data", "distances_on_the_manifold"], "differ")),
        (
            Metric("m", lambda view: np.random.default_rng().random(), "lower"),
            {"the_same_each_time": "by a fixed seed"},
        ),
        (Metric("m", lambda view: {"_a": 1.0}, "lower"), {"scores_are_numbers": "headline"}),
        (Metric("m", lambda view: view.Z.sort(axis=0) or 1.0, "lower"), {"the_model_is_left_alone": "copies"}),
        (Metric("m", lambda view: 1.0, "lower", by_point=lambda view: np.zeros(3)), {"scores_by_point": "mean 0"}),
        (Metric("m", lambda view: 1.0, "smaller"), {"the_description": "lower, higher"}),
        (Metric("m", lambda view: 1.0, "lower", frozenset({"colour"})), {"the_description": "labels"}),
    ],
)
def test_what_breaks_the_contract_is_named(component, broken):
    for check in checks(component):
        if check.name in broken:
            with pytest.raises((ConformanceError, ValueError), match=broken[check.name]):
                check()


def test_the_command_takes_any_component(bench, tmp_path):
    (tmp_path / "mine.py").write_text("class Bad:\n    def load(self):\n        return 3\n")
    bad = bench("check", "mine.py:Bad")
    assert bad.returncode == 1 and "must return an object with an array X" in bad.stdout
    assert bench("check", "stress").returncode == 0
    unknown = bench("check", "swiss_rol")
    assert unknown.returncode == 2 and "swiss_roll" in unknown.stderr
