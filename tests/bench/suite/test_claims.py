"""`[[claims]]` of a suite file: what is read, and what is refused with a line that names it."""

from __future__ import annotations

import pytest

from bench.errors import BadInputError
from bench.suite.config import load_suite
from tests.conftest import SMALL_SUITE

CLAIM = """
[[claims]]
statement = "PCA reconstructs better than an autoencoder."
source = "a paper"
metric = "reconstruction_mse"
left = "pca"
right = "ae"
rule = "left < 0.5 right"
"""


def test_a_claim_is_read(write_suite):
    (claim,) = load_suite(write_suite(SMALL_SUITE + CLAIM)).claims
    assert (claim.sign, claim.factor, claim.left, claim.right) == ("<", 0.5, "pca", "ae")
    assert claim.right_metric == "reconstruction_mse" and claim.value is None
    assert claim.datasets == tuple(d.name for d in load_suite(write_suite(SMALL_SUITE)).datasets)
    valued = CLAIM.replace('right = "ae"', "value = 0.25").replace("left < 0.5 right", "left > value")
    (claim,) = load_suite(write_suite(SMALL_SUITE + valued)).claims
    assert (claim.sign, claim.value, claim.right) == (">", 0.25, "")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("left < 0.5 right", "left is best", r"claims\[0\]\.rule: 'left < right'.* got 'left is best'"),
        ("left < 0.5 right", "left < value", r"claims\[0\]\.value: the rule 'left < value' needs a number"),
        ('right = "ae"\n', "", r"claims\[0\]\.right: the rule .* needs a method"),
        ('"pca"', '"pcb"', r"claims\[0\]\.left: no method 'pcb' in this suite; .*pca"),
        ("reconstruction_mse", "mcnn", r"claims\[0\]\.metric: 'mcnn' is not in metrics\.use; add it there"),
        ('right = "ae"', 'right = "ae"\ndatasets = ["moon"]', r"claims\[0\]\.datasets: no data set 'moon'"),
        ('right = "ae"', 'right = "ae"\nverdict = "yes"', r"claims\[0\]\.verdict|claims\.0\.verdict"),
    ],
)
def test_what_cannot_be_judged_is_refused(write_suite, old, new, said):
    with pytest.raises(BadInputError, match=said):
        load_suite(write_suite(SMALL_SUITE + CLAIM.replace(old, new, 1)))
