"""Axes: one configuration for each value, under a name that says it."""

from __future__ import annotations

import pytest

from bench.errors import BadInputError
from bench.suite.axes import axis_of, expanded, family
from bench.suite.config import suite_of

SUITE = {
    "suite": "axes",
    "datasets": {"swiss_roll": {"n": 150, "noise": {"axis": [0.0, 0.5]}}, "digits": {"n": 150}},
    "methods": {"*": {"latent_dim": {"axis": [1, 2]}, "epochs": 2}, "pca": {}, "small": {"target": "ae", "epochs": 3}},
    "metrics": {"use": ["knn_preservation", "explained_variance", "mcn"]},
}


def test_each_value_is_a_configuration_of_its_own():
    suite = suite_of(SUITE)
    assert [choice.name for choice in suite.datasets] == ["swiss_roll[noise=0]", "swiss_roll[noise=0.5]", "digits"]
    assert {choice.name: (choice.target, choice.params["latent_dim"]) for choice in suite.methods} == {
        "pca[latent_dim=1]": ("pca", 1), "pca[latent_dim=2]": ("pca", 2),
        "small[latent_dim=1]": ("ae", 1), "small[latent_dim=2]": ("ae", 2),
    }  # fmt: skip
    # What a method's own table says goes before what all share; a method without a parameter is not given it.
    assert {c.params.get("epochs") for c in suite.methods} == {None, 3}
    for glob, count in (("small", 2), ("*latent_dim=1*", 2), ("pca[latent_dim=2]", 1), ("*", 4)):
        methods, _ = suite.choose(glob, "*")
        assert len(methods) == count, glob


def test_several_axes_are_all_combinations_and_names_can_be_taken_apart():
    names = dict(expanded("ae", {"hidden": {"axis": [[64], [128, 128]]}, "beta": {"axis": [1e-3, 1.0]}, "a": 1}, ""))
    assert list(names) == [f"ae[hidden={h},beta={b}]" for h in ("64", "128-128") for b in ("0.001", "1")]
    assert names["ae[hidden=128-128,beta=1]"] == {"hidden": [128, 128], "beta": 1.0, "a": 1, "target": "ae"}
    assert family("ae[hidden=64,beta=1]") == "ae" == family("ae")
    assert axis_of("roll[noise=0.1]", "ae[a=1,b=2]") == "noise=0.1, a=1, b=2" and axis_of("roll", "ae") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ae": {"latent_dim": {"axis": []}}}, "a list of values is needed"),
        ({"ae": {"latent_dim": {"axis": 3}}}, "a list of values is needed"),
        ({"ae": {"latent_dim": {"axis": [2, 2]}}}, "2 is given twice"),
        ({"ae": {"latent_dim": {"axis": [2, "x"]}}}, "latent_dim"),
        ({"ae": {"latent_dim": {"axes": [2]}}}, "latent_dim"),
        ({"ae": {}, "*": {"latentdim": 3}}, "'latent_dim'"),
        ({"*": {"latent_dim": 3}}, "at least one table beside"),
    ],
)
def test_what_is_no_axis_is_said(change, said):
    with pytest.raises(BadInputError, match=said):
        suite_of({**SUITE, "methods": change})
