"""`bench compare` on real result folders."""

from __future__ import annotations

import json

import pytest

from tests.conftest import SMALL_SUITE

TRAINED = SMALL_SUITE.replace(
    "[methods.ae]\nepochs = 3\nhidden = [8]", "[methods.ae]\nepochs = 300\nlearning_rate = 0.01\nhidden = [16]"
)


@pytest.fixture
def good(finished, tmp_path):
    """A run, in the folder of this name."""
    (tmp_path / "good").symlink_to(finished(TRAINED))


def test_a_folder_equals_itself_and_a_worse_one_is_a_regression(good, bench, write_suite):
    # The same with an autoencoder that learns nothing.
    write_suite(TRAINED.replace("learning_rate = 0.01", "learning_rate = 1e-6"))
    assert bench("run", "--out", "poor").returncode == 0
    same = bench("compare", "good", "good")
    assert same.returncode == 0 and "equal" in same.stdout and "worse" not in same.stdout
    worse = bench("compare", "good", "poor", "--json")
    assert worse.returncode == 1
    found = {(row["method"], row["metric"]): row for row in json.loads(worse.stdout)}
    assert found["pca", "reconstruction_mse"]["verdict"] == "equal"
    lost = found["ae", "reconstruction_mse"]
    assert lost["verdict"] == "worse" and lost["after"] > lost["before"] and lost["p"] < 0.05
    assert found["ae", "mcn"]["verdict"] == "worse" and "collapsed" in found["ae", "mcn"]["reason"]
    assert bench("compare", "poor", "good").returncode == 0
    mild = bench("compare", "good", "poor", "--metric", "reconstruction_mse", "--worse-by", "1000")
    assert mild.returncode == 0 and "reconstruction_mse" in mild.stdout

    frames = bench("compare", "good/results.parquet", "poor/results.parquet", "--metric", "reconstruction_mse")
    # A frame alone has no scores by point; both seeds are far worse, and by the same.
    assert frames.returncode == 1 and "worse: 1\n  swiss_roll ae reconstruction_mse" in frames.stdout


def test_what_cannot_be_compared_or_read_has_an_exit_code_of_its_own(good, bench, write_suite, tmp_path):
    write_suite(TRAINED.replace("n = 160", "n = 170"))
    assert bench("run", "--out", "other", "-m", "pca").returncode == 0
    apart = bench("compare", "good", "other")
    assert apart.returncode == 3 and "other data" in apart.stdout
    assert bench("compare", "good", "nowhere").returncode == 2
    unknown = bench("compare", "good", "good", "--metric", "mnc")
    assert unknown.returncode == 2 and "'mcn'" in unknown.stderr
    (tmp_path / "text.parquet").write_text("no frame")
    assert "not a readable parquet" in bench("compare", "good", "text.parquet").stderr
