"""What cannot be fitted is known before anything runs: said once, recorded, and foreseen by the plan."""

from __future__ import annotations

import json

import numpy as np
import pytest

from methods.isomap import Isomap
from methods.nrae import NRAEL
from methods.pca import PCA
from methods.tsne import TSNE
from methods.umap import UMAP
from tests.bench.comparison import frame_of

SUITE = """
suite = "refused"
[run]
report_seeds = [0, 1]
[datasets.one]
target = "./data.py:OneColumn"
[methods.pca]
[methods.ae]
epochs = 2
hidden = [4]
[metrics]
use = ["knn_preservation", "reconstruction_mse", "geodesic_cv"]
[track]
mlflow = "off"
"""
DATA = """
import numpy as np
class OneColumn:
    def load(self):
        return type("Loaded", (), {"X": np.random.default_rng(0).normal(size=(200, 1))})
"""
ODD = """
import numpy as np
class Odd:
    def check_shape(self, n_samples, n_features):
        raise TypeError("odd")
    def fit(self, X):
        return self
    def encode(self, X):
        return np.c_[X, X].astype(np.float32)
"""


def test_a_pair_that_cannot_be_is_said_once_and_recorded(bench, write_suite, tmp_path):
    (tmp_path / "data.py").write_text(DATA)
    write_suite(SUITE)
    plan = {row["method"]: row["impossible"] for row in json.loads(bench("plan", "--json").stdout)}
    why = "latent_dim = 2 exceeds n_features = 1"
    assert plan == {"pca": dict.fromkeys(("knn_preservation", "reconstruction_mse", "geodesic_cv"), why), "ae": {}}
    done = bench("run", "--out", "out")
    assert done.returncode == 1 and done.stdout.count(why) == 1, done.stdout
    frame = frame_of(tmp_path / "out")
    pca = frame[frame["method"] == "pca"]
    assert set(pca["status"]) == {"failed"} and set(pca["reason"]) == {why} and pca["value"].isna().all()
    # A few epochs teach it little, so that the geometry of its decoder counts for nothing.
    assert set(frame.loc[frame["method"] == "ae", "status"]) == {"ok", "collapsed"}
    # Where they are asked for again, they are refused again.
    again = bench("run", "--out", "out", "--retry", "failed")
    assert again.returncode == 1 and again.stdout.count(why) == 1 and "✓" not in again.stdout


@pytest.mark.parametrize(
    ("method", "shape", "said"),
    [
        (PCA(latent_dim=3), (9, 2), "latent_dim = 3 exceeds n_features = 2"),
        (PCA(latent_dim=3), (2, 9), "latent_dim = 3 exceeds n_samples = 2"),
        (TSNE(latent_dim=2), (9, 1), "latent_dim = 2 exceeds n_features = 1"),
        (Isomap(n_neighbors=9), (9, 5), "n_neighbors = 9 must be below n_samples = 9"),
        (UMAP(n_neighbors=9), (9, 5), "n_neighbors = 9 must be below n_samples = 9"),
        (NRAEL(n_neighbors=9, hidden=[4]), (9, 5), "n_neighbors = 9 must be below n_samples = 9"),
    ],
)
def test_what_is_foreseen_is_what_a_fit_says(method, shape, said):
    X = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for asked in (lambda: method.check_shape(*shape), lambda: method.fit(X, X_val=X)):
        with pytest.raises(ValueError, match=said):
            asked()


def test_a_check_that_fails_itself_leaves_the_word_to_the_fit(bench, write_suite, tmp_path):
    (tmp_path / "data.py").write_text(DATA)
    (tmp_path / "odd.py").write_text(ODD)
    write_suite(SUITE.replace("[methods.pca]", '[methods.odd]\ntarget = "./odd.py:Odd"'))
    done = bench("run", "--out", "out", "-m", "odd")
    assert done.returncode == 0 and "Traceback" not in done.stdout + done.stderr
    assert "ok" in set(frame_of(tmp_path / "out")["status"])


@pytest.mark.parametrize(
    ("executor", "said"),
    [
        ("slrum", "unknown executor 'slrum'"),
        ("none.py:X", "there is no file"),
        ("mine.py:Mine", "no submit and no wait"),
    ],
)
def test_what_is_no_executor_is_refused(executor, said, bench, write_suite, tmp_path):
    write_suite()
    (tmp_path / "mine.py").write_text("class Mine:\n    def close(self): ...\n")
    done = bench("run", "--executor", executor)
    assert done.returncode == 2 and said in done.stderr and "new executor" not in done.stderr
