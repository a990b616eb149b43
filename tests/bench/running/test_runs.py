"""Whole runs through the real command line, with real worker processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from reports.frames import COLUMNS
from tests.bench.comparison import assert_same_results, frame_of
from tests.conftest import SMALL_SUITE

TUNED = """
suite = "tuned"
[run]
report_seeds = [0, 1]
tune_seeds = [7, 8]
timeout = "60s"
[tune]
trials = 4
batch = 2
[datasets.swiss_roll]
n = 150
[methods.pca]
[methods.ae]
epochs = 20
hidden = [8]
search = { learning_rate = { low = 1e-3, high = 1e-1, log = true }, hidden = [[8], [4, 4]] }
[methods.isomap]
epochs = 3
hidden = [8]
[metrics]
use = ["knn_preservation", "reconstruction_mse", "mcn", "knn_accuracy", "geodesic_stress"]
[track]
mlflow = "off"
""".replace("hidden = [8]\nsearch", "search")

PRUNED = TUNED.replace("trials = 4\nbatch = 2", "trials = 12\nbatch = 4").replace(
    "tune_seeds = [7, 8]", "tune_seeds = [7]"
)


def test_hopeless_trials_are_pruned_and_a_resumed_run_prunes_the_same(bench, write_suite, tmp_path):
    write_suite(PRUNED)
    done = bench("run", "--out", "out", "-m", "ae")
    assert done.returncode == 0, done.stdout
    frame = frame_of(tmp_path / "out")
    tune = frame[frame["phase"] == "tune"]
    assert {"ok", "pruned"} == set(tune["status"]) and tune["cell_id"].nunique() <= 12
    # As after a kill: only the first jobs are known.
    (ledger,) = (tmp_path / "out" / "ledger").glob("*.jsonl")
    (tmp_path / "half" / "ledger").mkdir(parents=True)
    (tmp_path / "half" / "ledger" / ledger.name).write_text("".join(ledger.read_text().splitlines(keepends=True)[:4]))
    assert bench("run", "--out", "half", "-m", "ae").returncode == 0
    assert_same_results(frame, frame_of(tmp_path / "half"))
    # Without the pruner the pruned ones are run to their end.
    write_suite(PRUNED.replace("batch = 4", 'batch = 4\npruner = "off"'))
    assert bench("run", "--out", "out", "-m", "ae").returncode == 0
    after = frame_of(tmp_path / "out")
    selected = after[(after["phase"] == "tune") & (after["status"] == "ok")]
    assert selected["cell_id"].nunique() > (tune["status"] == "ok").sum()


def test_a_configuration_that_is_no_longer_asked_for_fails_nobody(bench, write_suite, tmp_path):
    (tmp_path / "mood.py").write_text(
        "import numpy as np\nclass Mood:\n    def __init__(self, bad: bool = False):\n        self.bad = bad\n"
        "    def fit(self, X):\n        if self.bad:\n            raise RuntimeError('bad mood')\n        return self\n"
        "    def encode(self, X):\n        return np.asarray(X[:, :2], dtype=np.float32)\n"
    )
    mood = '[methods.mood]\ntarget = "./mood.py:Mood"\nbad = true\n[methods.pca]'
    write_suite(SMALL_SUITE.replace("[methods.pca]", mood))
    assert bench("run", "--out", "out").returncode == 1
    write_suite(SMALL_SUITE.replace("[methods.pca]", mood.replace("true", "false")))
    done = bench("run", "--out", "out")
    assert done.returncode == 0 and "bad mood" not in done.stdout
    assert "bad mood" not in (tmp_path / "out" / "report.md").read_text()


def test_a_tuned_run_reports_the_winner_on_other_seeds(bench, write_suite, tmp_path):
    write_suite(TUNED)
    done = bench("run", "--out", "out", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    frame = frame_of(tmp_path / "out")
    assert list(frame.columns) == list(COLUMNS)
    tune, final = frame[frame["phase"] == "tune"], frame[frame["phase"] == "final"]
    assert set(tune["seed"]) == {7, 8} and set(final["seed"]) == {0, 1}
    assert set(tune["split"]) == {"validation"} and set(final["split"]) == {"test"}
    assert set(tune["method"]) == {"ae", "isomap"}
    # Trials judged by neighbourhoods have no use for the decoder that reported models are fitted with.
    isomap = frame[frame["method"] == "isomap"].set_index("phase")
    assert set(isomap.loc["tune", "decoder"]) == {"none"} and set(isomap.loc["final", "decoder"]) == {"attached"}
    assert (isomap.loc["tune", "decoder_seconds"] == 0).all() and (isomap.loc["final", "decoder_seconds"] > 0).any()
    means = tune[tune["method"] == "ae"].groupby("config_id")["value"].mean()
    assert len(means) >= 2
    assert set(final.loc[final["method"] == "ae", "config_id"]) == {means.idxmax()}
    not_applicable = final[final["metric"] == "knn_accuracy"]
    assert set(not_applicable["status"]) == {"n/a"} and not_applicable["reason"].str.contains("no labels").all()
    stacked = final[(final["method"] == "ae") & (final["metric"] == "mcn")]
    assert set(stacked["stack_size"]) == {2}
    assert {"mcn_median", "mcn_rank_deficient"} <= set(final["metric"])
    report = (tmp_path / "out" / "report.md").read_text()
    assert "swiss_roll" in report and "bench.toml" in report and "torch 2" in report
    assert (tmp_path / "out" / "figures" / "embeddings-swiss_roll.png").stat().st_size > 5_000

    # Nothing is left to do or to draw, and another number of workers or another order changes nothing.
    drawn = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "figures").rglob("*.png")}
    again = bench("run", "--out", "out")
    assert again.returncode == 0 and "✓" not in again.stdout
    assert drawn and {path: path.stat().st_mtime_ns for path in drawn} == drawn
    assert_same_results(frame, frame_of(tmp_path / "out"))
    plan = json.loads(bench("plan", "--out", "out", "--json").stdout)
    assert all(row["todo"] == 0 for row in plan)


@pytest.mark.parametrize("n_runs", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_moments_resumes_to_the_same_table(bench, write_suite, tmp_path, n_runs):
    write_suite(TUNED)
    assert bench("run", "--out", "clean", "--jobs", "2").returncode == 0
    moments = random.Random(3)
    ledger, kills = tmp_path / "killed" / "ledger", 0

    def lines() -> int:
        return sum(file.read_bytes().count(b"\n") for file in ledger.glob("*.jsonl"))

    for _ in range(n_runs):
        begun = lines()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench", "run", "--out", "killed", "--jobs", "2"],
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        # From its first result on, which takes as long as the machine lets it; before it is a line of the run itself.
        while process.poll() is None and lines() < begun + 2:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 1))
        if process.poll() is None:
            process.kill()
            kills += 1
        process.wait()
    assert kills >= 1
    assert bench("run", "--out", "killed", "--jobs", "2").returncode == 0
    assert_same_results(frame_of(tmp_path / "clean"), frame_of(tmp_path / "killed"))


def test_an_interrupt_leaves_a_ledger_to_go_on_from(write_suite, bench, tmp_path):
    write_suite(TUNED)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "bench", "run", "--out", "out"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGTERM)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130 and "goes on from here" in error and "Traceback" not in error
    assert bench("run", "--out", "out", "-m", "pca").returncode == 0


def test_a_metric_added_later_is_scored_on_the_saved_models(bench, write_suite, tmp_path):
    suite = SMALL_SUITE.replace("[0, 1]", "[0]")
    write_suite(suite)
    assert bench("run", "--out", "out").returncode == 0
    before = frame_of(tmp_path / "out")
    write_suite(suite.replace('"mcn"]', '"mcn", "relaxed_distortion", "stress", "mcn_attached"]'))
    plan = json.loads(bench("plan", "--out", "out", "--json").stdout)
    assert [row["todo"] for row in plan] == [1, 1]
    done = bench("run", "--out", "out")
    assert done.returncode == 0, done.stderr
    after = frame_of(tmp_path / "out")
    assert {"relaxed_distortion", "stress", "mcn_attached", "mcn_attached_floor"} <= set(after["metric"])
    # The models were not fitted again: their times are the first ones, and the old scores stand.
    common = after[after["metric"].isin(before["metric"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(common, before)
    fresh = bench("run", "--out", "fresh")
    assert fresh.returncode == 0
    assert_same_results(frame_of(tmp_path / "fresh"), after)


def test_globs_choose_pairs_and_later_runs_add_the_others(bench, write_suite, tmp_path):
    write_suite(SMALL_SUITE)
    assert bench("run", "--out", "out", "-m", "p*").returncode == 0
    assert set(frame_of(tmp_path / "out")["method"]) == {"pca"}
    assert bench("run", "--out", "out").returncode == 0
    assert set(frame_of(tmp_path / "out")["method"]) == {"pca", "ae"}
    done = bench("run", "--out", "out", "-m", "q*")
    assert done.returncode == 2 and "matches none" in done.stderr


def test_the_order_of_the_file_changes_no_result(bench, write_suite, tmp_path):
    write_suite(SMALL_SUITE)
    assert bench("run", "--out", "one").returncode == 0
    head, methods = SMALL_SUITE.split("[methods.pca]\n")
    body, tail = methods.split("[metrics]")
    write_suite(
        f"{head}{body}[methods.pca]\n[metrics]{tail}".replace("epochs = 3\nhidden = [8]", "hidden = [8]\nepochs = 3")
    )
    assert bench("run", "--out", "two", "--jobs", "1").returncode == 0
    assert_same_results(frame_of(tmp_path / "one"), frame_of(tmp_path / "two"))


def test_smoke_runs_every_pair_quickly(bench, write_suite, tmp_path):
    write_suite(TUNED.replace("n = 150", "n = 2000"))
    done = bench("run", "--smoke")
    assert done.returncode == 0, done.stderr
    frame = frame_of(tmp_path / "runs" / "tuned-smoke")
    assert set(frame["phase"]) == {"final"} and set(frame["seed"]) == {0}
    assert set(frame["method"]) == {"pca", "ae", "isomap"}


def test_two_runs_of_one_folder_do_not_meet(bench, write_suite, tmp_path):
    from bench.record.ledger import locked

    write_suite(SMALL_SUITE)
    with locked(tmp_path / "out"):
        done = bench("run", "--out", "out")
    assert done.returncode == 2 and "another bench run" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("status", "nowhere"), ("report", "nowhere"), ("sync", "nowhere"), ("ui", "nowhere")]
)
def test_a_folder_that_is_no_result_folder_is_bad_input(bench, arguments):
    done = bench(*arguments)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
