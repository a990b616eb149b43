"""Metrics from a file of one's own: scored, tuned on, scored again when the file changes, reported without it."""

from __future__ import annotations

import json

import pandas as pd
import pytest

MINE = """
from metrics.metric import Metric


def doubled(view):
    return {"": FACTOR * float(len(view.Z)), "_min": 1.0}


mine = Metric("rows", doubled, better="higher", needs=frozenset({"reconstruction"}))
""".replace("FACTOR", "2")

SUITE = """
suite = "own"
[run]
report_seeds = [0, 1]
[tune]
trials = 2
objective = "./mine.py:mine"
subject_to = { rows = ">= 1" }
[datasets.swiss_roll]
n = 60
[methods.pca]
search = { latent_dim = [1, 2] }
[metrics]
use = ["explained_variance", "./mine.py:mine"]
[track]
mlflow = "off"
"""


@pytest.fixture
def suite(write_suite, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return write_suite(SUITE)


def _rows(tmp_path) -> pd.DataFrame:
    frame = pd.read_parquet(tmp_path / "out" / "results.parquet")
    return frame[(frame["phase"] == "final") & frame["metric"].isin(["rows", "rows_min"])]


def test_a_metric_of_a_file_is_scored_and_tuned_on(bench, tmp_path, suite):
    done = bench("run", "--out", "out")
    assert done.returncode == 0, done.stderr
    frame = _rows(tmp_path)
    assert set(frame["value"]) == {18.0, 1.0} and set(frame["better"]) == {"higher"} and (frame["status"] == "ok").all()
    assert "best rows" in (tmp_path / "out" / "report.md").read_text()


def test_a_changed_file_is_scored_again_on_the_same_models(bench, tmp_path, suite):
    assert bench("run", "--out", "out").returncode == 0
    before = _rows(tmp_path)
    (tmp_path / "mine.py").write_text(MINE.replace("2 *", "3 *"))
    plan = json.loads(bench("plan", "--out", "out", "--json").stdout)
    assert plan[0]["todo"] > 0
    assert bench("run", "--out", "out").returncode == 0
    after = _rows(tmp_path)
    assert set(after["value"]) == {27.0, 1.0} and list(after["fit_seconds"]) == list(before["fit_seconds"])
    again = json.loads(bench("plan", "--out", "out", "--json").stdout)
    assert again[0]["todo"] == 0


def test_folders_of_different_versions_are_not_compared(bench, tmp_path, suite):
    assert bench("run", "--out", "a").returncode == 0
    (tmp_path / "mine.py").write_text(MINE.replace("2 *", "3 *"))
    assert bench("run", "--out", "b").returncode == 0
    done = bench("compare", "a", "b", "--metric", "rows")
    assert done.returncode == 3 and "version" in done.stdout


def test_a_report_needs_the_file_no_longer(bench, tmp_path, suite):
    assert bench("run", "--out", "out").returncode == 0
    page = (tmp_path / "out" / "report.md").read_text()
    (tmp_path / "mine.py").unlink()
    suite.unlink()
    assert bench("report", "out").returncode == 0
    assert (tmp_path / "out" / "report.md").read_text() == page and "rows ↑" in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no 'mine'"),
        ("mine = lambda view: 1.0", "is no metric; make one of a function"),
        (MINE.replace('"rows"', '"stress"'), "'stress' is the name of a registered metric"),
        (MINE.replace('"rows"', '"my rows"'), "letters, digits"),
        (MINE.replace('"higher"', '"bigger"'), "'lower' or 'higher'"),
        (MINE.replace('"reconstruction"', '"decodr"'), "'decodr', which no view has"),
        ("import nothing_there", "importing"),
    ],
)
def test_a_file_that_holds_no_metric_is_refused(bench, tmp_path, suite, text, said):
    (tmp_path / "mine.py").write_text(text)
    done = bench("run", "--out", "out")
    assert done.returncode == 2 and said in " ".join(done.stderr.split()) and "metrics.use[1]" in done.stderr


def test_two_metrics_of_one_name_are_refused(bench, tmp_path, suite):
    (tmp_path / "mine.py").write_text(MINE + 'other = Metric("rows", doubled, better="lower")\n')
    suite.write_text(SUITE.replace('"./mine.py:mine"]', '"./mine.py:mine", "./mine.py:other"]'))
    done = bench("run", "--out", "out")
    assert done.returncode == 2 and "called 'rows' too" in done.stderr
