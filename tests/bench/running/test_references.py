"""What belongs to the data alone is computed once, shared, and the same bits; above a size query points are scored."""

from __future__ import annotations

import resource

import numpy as np
import pandas as pd
import pytest

from bench.library import load_results
from bench.running import references
from datasets.base import Data
from datasets.manifolds import SwissRoll
from metrics import distances
from metrics.coranking import coranking
from metrics.reference import Reference

SUITE = """
suite = "shared"
[run]
report_seeds = [0, 1]
[datasets.swiss_roll]
n = 900
[methods.pca]
[methods.ae]
epochs = 2
hidden = [8]
[metrics]
use = ["neighbourhood", "stress", "distance_spearman", "explained_variance"]
[track]
mlflow = "off"
"""


@pytest.fixture
def data():
    return SwissRoll(n=2_000).load()


def _reference(data, out, exact_up_to=20_000):
    return references.reference_of(data, "train", "abc", exact_up_to, out)


def test_the_first_computes_and_the_next_reads_the_same(data, tmp_path, monkeypatch):
    first = _reference(data, tmp_path)
    monkeypatch.setattr("metrics.reference.Reference.count_ranks", lambda self: pytest.fail("counted again"))
    second = _reference(data, tmp_path)
    assert isinstance(second.ranks, np.memmap)
    np.testing.assert_array_equal(first.ranks, second.ranks)
    np.testing.assert_array_equal(first.distance_ranks, second.distance_ranks)


@pytest.fixture
def wide():
    X = np.random.default_rng(0).standard_normal((1_200, references.WIDE)).astype(np.float32)
    return Data(X, train=np.arange(1_100), validation=np.array([1_100]), test=np.array([1_101]))


def test_distances_between_rows_of_many_features_are_kept_too_and_stress_is_the_same_bits(wide, tmp_path):
    Z = np.random.default_rng(1).standard_normal((1_100, 2))
    for known in (_reference(wide, tmp_path), _reference(wide, tmp_path)):
        assert isinstance(known.pair_distances, np.memmap)
        fresh = Reference(wide.X[wide.train])
        scores = (distances.stress, distances.distance_pearson, distances.distance_spearman)
        assert [score(known, Z) for score in scores] == [score(fresh, Z) for score in scores]


def test_distances_between_rows_of_few_features_are_not_kept(data, tmp_path):
    assert _reference(data, tmp_path).pair_distances is None


def test_a_disk_that_is_too_small_costs_the_sharing_alone_and_is_left_as_it_was(wide, tmp_path, caplog):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, before[1]))
    try:
        found = _reference(wide, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert found.ranks is not None and "cannot be shared" in caplog.text
    assert not [*tmp_path.rglob("*.npy"), *tmp_path.rglob("*.part")]
    assert isinstance(_reference(wide, tmp_path).pair_distances, np.memmap)


@pytest.mark.parametrize("name", ["ranks", "pair_distances"])
@pytest.mark.parametrize("damage", ["flip", "cut", "facts", "gone"])
def test_a_damaged_file_is_computed_again(wide, tmp_path, damage, name):
    data = wide
    first = np.array(getattr(_reference(data, tmp_path), name))
    (path,) = tmp_path.rglob(f"{name}.npy")
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-7] ^= 255
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:5_000])
    elif damage == "facts":
        (path.parent / "facts.json").write_text("[1")
    else:
        path.unlink()
    np.testing.assert_array_equal(getattr(_reference(data, tmp_path), name), first)
    assert isinstance(getattr(_reference(data, tmp_path), name), np.memmap)


def test_a_folder_that_cannot_be_written_to_costs_the_sharing_alone(data, tmp_path, caplog):
    (tmp_path / "references").write_text("in the way")
    found = _reference(data, tmp_path)
    assert found.ranks is None and "cannot be shared" in caplog.text
    assert len(list(found.rank_blocks()))


def test_few_points_make_no_files(tmp_path):
    _reference(SwissRoll(n=500).load(), tmp_path)
    assert not list(tmp_path.iterdir())


def _scores(bench, tmp_path, out, text):
    (tmp_path / "bench.toml").write_text(text)
    done = bench("run", "--out", out)
    assert done.returncode == 0, done.stderr
    frame = pd.read_parquet(tmp_path / out / "results.parquet")
    return frame.set_index(["method", "seed", "metric"])["value"]


def test_scores_are_the_same_bits_with_and_without_files(bench, tmp_path):
    scores = _scores(bench, tmp_path, "out", SUITE.replace("n = 900", "n = 6700"))
    assert list((tmp_path / "out" / "references").rglob("ranks.npy"))
    data = SwissRoll(n=6_700).load()
    for method in ("pca", "ae"):
        X, Z = data.X[data.test], load_results(tmp_path / "out").embedding(method, "swiss_roll", seed=1)
        alone = coranking(X, Z, [10, 50])
        expected = {
            "auc_log_rnx": alone.auc_log_rnx, "trustworthiness_k50": alone.counts(50).scores.trustworthiness,
            "mrre_false": alone.relative_errors(10)[0].mean(),
            "distance_spearman": distances.distance_spearman(X, Z),
        }  # fmt: skip
        assert {name: scores[method, 1, name] for name in expected} == expected
        # Nothing is kept of its sums, whose order is the algebra library's.
        assert scores[method, 1, "stress"] == pytest.approx(distances.stress(X, Z), rel=1e-12)


def test_of_many_rows_query_points_are_scored_with_their_interval(bench, tmp_path, monkeypatch):
    text = SUITE.replace("n = 900", "n = 20000").replace("[methods.ae]\nepochs = 2\nhidden = [8]\n", "")
    exact = _scores(bench, tmp_path, "exact", text)
    sampled = _scores(bench, tmp_path, "sampled", text.replace("[track]", "exact_up_to = 2500\n[track]"))
    for name in (
        "knn_preservation",
        "trustworthiness",
        "continuity",
        "lcmc",
        "mrre_false",
        "rank_correlation",
        "stress",
    ):
        low, high = (sampled["pca", 0, name + end] for end in ("_low", "_high"))
        assert low < sampled["pca", 0, name] < high
        # Three of its halves: one of six intervals of 95 % may miss.
        slack = high - low
        assert low - slack < exact["pca", 0, name] < high + slack
    assert ("pca", 0, "explained_variance_low") not in sampled.index
    assert ("pca", 0, "knn_preservation_low") not in exact.index
