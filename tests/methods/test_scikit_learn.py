"""scikit-learn's own checks of an estimator, on every built-in method. No failure is expected of any."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import check_estimator

from bench import registry

SMALL: dict[str, Any] = {
    "epochs": 2, "hidden": [4], "channels": [2], "n_members": 2, "n_neighbors": 3, "device": "cpu",
}  # fmt: skip
METHODS = [
    "pca", "isomap", "umap", "tsne", "ae", "vae", "irvae", "nrae-l", "nrae-q", "metric-vae", "ensemble-vae", "rbf-vae",
    "cnn-vae", "kernel-pca", "mds", "topo-ae",
]  # fmt: skip
OTHERS = sorted(set(registry.names("method")) - {*METHODS, "embedding"})


def estimator(name: str) -> Any:
    component = registry.method(name)
    known = component().get_params()
    return component(**{parameter: value for parameter, value in SMALL.items() if parameter in known})


@pytest.mark.filterwarnings("ignore")  # of the checks and the libraries: data of ten rows, say
@pytest.mark.parametrize("name", [*METHODS, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_scikit_learns_checks(name):
    outcomes = check_estimator(estimator(name), on_fail=None, on_skip=None)
    assert len(outcomes) > 30
    broken = {o["check_name"]: str(o["exception"]) for o in outcomes if o["status"] not in ("passed", "skipped")}
    assert broken == {}
    # It wants an environment variable; our methods take numpy arrays.
    assert {o["check_name"] for o in outcomes if o["status"] == "skipped"} <= {"check_array_api_input"}
