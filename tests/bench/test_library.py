"""What a notebook uses: run a suite, read a result folder, take a model up again."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bench import load_results
from bench import run as run_suite
from bench.errors import BadInputError
from datasets.manifolds import SwissRoll
from tests.conftest import SMALL_SUITE

ALL = SMALL_SUITE.replace("[methods.pca]", "[methods.tsne]\nepochs = 3\n[methods.pca]").replace("[0, 1]", "[0]")


@pytest.fixture
def results(finished):
    return load_results(finished(ALL))


@pytest.mark.parametrize("method", ["pca", "ae", "tsne"])
def test_a_model_encodes_and_decodes_as_it_did(results, method):
    data = SwissRoll(n=160).load()
    model = results.model(method, "swiss_roll")
    Z = results.embedding(method, "swiss_roll")
    np.testing.assert_array_equal(model.encode(data.X[data.test]), Z)
    error = np.mean((model.decode(Z) - data.X[data.test]) ** 2)
    kept = results.frame[(results.frame["method"] == method) & (results.frame["metric"] == "reconstruction_mse")]
    assert error == pytest.approx(kept["value"].item(), rel=1e-5)


def test_tables_are_of_the_metrics_and_methods_named(results):
    table = results.table(["mcn", "knn_preservation"], ["tsne", "ae"])
    assert list(table.index) == ["tsne", "ae"]
    assert list(table.columns) == [("swiss_roll", "mcn"), ("swiss_roll", "knn_preservation")]
    value = results.frame.query("method == 'ae' and metric == 'mcn'")["value"].item()
    assert table.loc["ae", ("swiss_roll", "mcn")] == pytest.approx(value)
    assert results.table(latex=True).startswith(r"\begin{tabular}")
    assert results.failures.empty and results.configuration("ae", "swiss_roll")["params"]["epochs"] == 3


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda r: r.model("aee", "swiss_roll"), "ae, swiss_roll, 0"),
        (lambda r: r.embedding("ae", "swiss_roll", seed=5), "seed 5"),
        (lambda r: r.configuration("ae", "roll"), "ae, swiss_roll"),
        (lambda r: r.table(["mnc"]), "mcn"),
        (lambda r: load_results("nowhere"), "nowhere"),
        (lambda r: run_suite({"suite": "a", "datasets": {"digits": {}}, "methods": {"pcaa": {}}}), "pca"),
        (lambda r: run_suite({"suite": "a", "methods": {"pca": {}}}), "datasets: is missing"),
        (
            lambda r: run_suite({"suite": "a", "datasets": {"digits": {"n": None}}, "methods": {}}),
            "bench.toml can hold",
        ),
        (lambda r: run_suite("none.toml"), "no such file"),
    ],
)
def test_what_is_not_there_is_named_with_the_nearest(results, ask, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError, match=said):
        ask(results)


def test_a_suite_of_tables_runs_with_files_relative_to_the_working_directory(bench, tmp_path):
    """`bench` is asked for its workers."""
    np.save(tmp_path / "X.npy", np.random.default_rng(0).normal(size=(60, 4)))
    suite = {
        "suite": "given", "run": {"report_seeds": [0]}, "datasets": {"mine": {"target": "file", "path": "X.npy"}},
        "methods": {"pca": {}}, "metrics": {"use": ["stress"]}, "track": {"mlflow": "off"},
    }  # fmt: skip
    found = run_suite(suite, "out", quiet=True)
    assert found.frame["value"].notna().all() and (tmp_path / "out" / "report.html").is_file()
    assert found.model("pca", "mine").encode(np.load(tmp_path / "X.npy")).shape == (60, 2)


def test_a_script_needs_no_guard_around_it(tmp_path):
    """Workers do not run the program that started them a second time, and leave no lock of a library behind."""
    (tmp_path / "locking.py").write_text(
        "import multiprocessing\nfrom methods.pca import PCA\n\n\n"
        "class Locking(PCA):\n    def fit(self, X):\n"
        "        Locking.lock = multiprocessing.RLock()\n        return super().fit(X)\n"
    )
    (tmp_path / "script.py").write_text(
        "import bench\nprint('begins')\n"
        "bench.run({'suite': 'a', 'run': {'report_seeds': [0]}, 'datasets': {'swiss_roll': {'n': 60}},"
        " 'methods': {'pca': {'target': 'locking.py:Locking'}}, 'metrics': {'use': ['stress']},"
        " 'track': {'mlflow': 'off'}}, 'out', jobs=1)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("begins") == 1 and "leaked" not in done.stderr
    assert (tmp_path / "out" / "results.parquet").is_file()
