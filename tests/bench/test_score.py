"""`bench score`: the same numbers as a method's own, for what exists."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from datasets.digits import Digits
from methods.pca import PCA


@pytest.fixture
def given(tmp_path):
    data = Digits(n=160).load()
    np.save(tmp_path / "X.npy", data.X)
    np.save(tmp_path / "y.npy", data.y)
    np.savez(tmp_path / "codes.npz", pca=PCA().fit(data.X[data.train]).encode(data.X), noise=np.eye(160)[:, :2])
    return data


def test_given_codes_have_the_scores_of_their_method(given, bench, write_suite, tmp_path):
    metrics = "knn_preservation,stress,knn_accuracy,mcn,geodesic_stress"
    done = bench(
        "score", "--data", "X.npy", "--embedding", "codes.npz:pca", "--embedding", "codes.npz:noise", "--name", "mine",
        "--labels", "y.npy", "--metrics", metrics, "--out", "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    write_suite(f"""
suite = "own"
[run]
report_seeds = [0]
[datasets.digits]
n = 160
[methods.pca]
[metrics]
use = {str(metrics.split(",")).replace("'", '"')}
[track]
mlflow = "off"
""")
    assert bench("run", "--out", "own").returncode == 0
    frames = {out: pd.read_parquet(tmp_path / out / "results.parquet") for out in ("out", "own")}
    theirs = frames["out"][frames["out"]["method"] == "mine"].set_index("metric")["value"]
    own = frames["own"].set_index("metric")["value"]
    for name in ("knn_preservation", "stress", "knn_accuracy"):
        assert theirs[name] == own[name]
    assert "not geodesic_stress: the data set has no exact geodesics" in done.stdout
    assert "not mcn: the method has no differentiable decoder" in done.stdout
    assert set(frames["out"]["method"]) == {"mine", "codes-noise"} and (tmp_path / "out" / "report.html").is_file()
    # What it wrote is a suite like any other, and its results are there.
    again = bench("plan", "out/bench.toml", "--out", "out")
    assert again.returncode == 0 and "codes-noise" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--embedding", "codes.npz"), "name one of pca, noise"),
        (("--embedding", "Z.pkl"), "Z.pkl"),
        (("--embedding", "codes.npz:pca", "--name", "a", "--name", "b"), "--name is given 2 times"),
        (("--embedding", "codes.npz:pca", "--name", "a b"), "letters, digits"),
        (("--embedding", "codes.npz:pca", "--metrics", "mnc"), "mcn"),
        (("--embedding", "codes.npz:pca", "--labels", "z.npy"), "there is no file"),
    ],
)
def test_what_cannot_be_scored_is_said_in_one_line(given, bench, arguments, said):
    done = bench("score", "--data", "X.npy", *arguments, "--out", "out")
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
