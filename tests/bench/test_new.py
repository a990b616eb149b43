"""`bench new`: what it writes runs as it is."""

from __future__ import annotations

import pandas as pd
import pytest


def test_what_is_written_runs_as_it_is(bench, tmp_path):
    for kind in ("method", "dataset", "metric", "suite"):
        done = bench("new", kind, f"my_{kind}")
        assert done.returncode == 0 and f"my_{kind}" in done.stdout, done.stderr
    for target in ("my_method.py:MyMethod", "my_metric.py:my_metric"):
        check = bench("check", target)
        assert check.returncode == 0, check.stdout
    suite = tmp_path / "my_suite.toml"
    suite.write_text(
        suite.read_text()
        .replace("[methods.pca]", '[methods.my_method]\ntarget = "./my_method.py:MyMethod"')
        .replace("[datasets.swiss_roll]", '[datasets.my_dataset]\ntarget = "./my_dataset.py:MyDataset"')
        .replace('"mcn"]', '"./my_metric.py:my_metric"]')
        .replace("epochs = 100", "epochs = 2\nhidden = [8]")
    )
    done = bench("run", "my_suite.toml", "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    frame = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert set(frame["method"]) == {"my_method", "ae", "vae"} and set(frame["dataset"]) == {"my_dataset"}
    assert frame[frame["metric"] == "my_metric"]["value"].between(0, 1).all()


@pytest.mark.parametrize("name", ["My method", "../x", "class", "", "9a"])
def test_a_name_that_cannot_be_one_is_refused(bench, tmp_path, name):
    done = bench("new", "method", name)
    assert done.returncode == 2 and "letters" in done.stderr and not list(tmp_path.iterdir())


def test_nothing_is_overwritten(bench, tmp_path):
    (tmp_path / "mine.py").write_text("precious")
    done = bench("new", "dataset", "mine")
    assert done.returncode == 2 and "is there already" in done.stderr
    assert (tmp_path / "mine.py").read_text() == "precious"
