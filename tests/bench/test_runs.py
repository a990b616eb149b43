"""Whole runs through the real command line, with real worker processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.frames import COLUMNS
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

FAULTY = '''
import ctypes
import os
import time
import numpy as np


class Base:
    def __init__(self, latent_dim: int = 2, random_state: int = 0):
        self.latent_dim = latent_dim
        self.random_state = random_state

    def fit(self, X):
        return self

    def encode(self, X):
        return np.asarray(X[:, : self.latent_dim], dtype=np.float32)


class Good(Base):
    """The first columns; has no decoder."""


class Raises(Base):
    def fit(self, X):
        raise RuntimeError("this method never works")


class Hangs(Base):
    def fit(self, X):
        time.sleep(3600)


class Crashes(Base):
    def fit(self, X):
        ctypes.string_at(0)


class Eats(Base):
    def fit(self, X):
        hoard = []
        while True:
            hoard.append(np.ones(8_000_000))
            time.sleep(0.02)


class Forks(Base):
    """Dies, while a child of its own holds its pipes open."""

    def fit(self, X):
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(3)


class Closes(Base):
    """Closes every file of its process, the pipes to the coordinator too, and goes on."""

    def fit(self, X):
        os.closerange(3, 200)
        time.sleep(3600)


class IsNaN(Base):
    def encode(self, X):
        return np.full((len(X), 2), np.nan, dtype=np.float32)


class Transductive:
    """Has an embedding of the training rows and nothing else."""

    def fit(self, X):
        self.embedding_ = np.asarray(X[:, :2], dtype=np.float32)
        return self
'''

FAULTY_SUITE = """
suite = "faulty"
[run]
report_seeds = [0]
timeout = "6s"
memory = "1500MB"
[datasets.swiss_roll]
n = 200
[methods.good]
target = "./faulty.py:Good"
[methods.raises]
target = "./faulty.py:Raises"
[methods.hangs]
target = "./faulty.py:Hangs"
[methods.crashes]
target = "./faulty.py:Crashes"
[methods.eats]
target = "./faulty.py:Eats"
[methods.forks]
target = "./faulty.py:Forks"
[methods.closes]
target = "./faulty.py:Closes"
[methods.isnan]
target = "./faulty.py:IsNaN"
[methods.transductive]
target = "./faulty.py:Transductive"
[methods.pca]
[metrics]
use = ["knn_preservation", "reconstruction_mse", "mcn"]
[track]
mlflow = "off"
"""

# What a resumed run may not be asked to reproduce: times, and what they were measured on.
VOLATILE = ["fit_seconds", "decoder_seconds", "score_seconds", "peak_memory_mb", "started_at"]


def frame_of(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "results.parquet")


def assert_same_results(one: pd.DataFrame, other: pd.DataFrame) -> None:
    left, right = one.drop(columns=[*VOLATILE, "value"]), other.drop(columns=[*VOLATILE, "value"])
    pd.testing.assert_frame_equal(left, right)
    np.testing.assert_allclose(one["value"].astype(float), other["value"].astype(float), rtol=1e-6)


def test_faults_become_statuses_and_the_good_results_stay(bench, write_suite, tmp_path):
    write_suite(FAULTY_SUITE)
    (tmp_path / "faulty.py").write_text(FAULTY)
    done = bench("run", "--out", "out", "--jobs", "2")
    assert done.returncode == 1, done.stderr
    frame = frame_of(tmp_path / "out")
    statuses = frame.groupby("method")["status"].agg(lambda column: sorted(set(column)))
    assert statuses.to_dict() == {
        "good": ["n/a", "ok"], "raises": ["failed"], "hangs": ["timeout"], "crashes": ["crashed"], "eats": ["oom"],
        "forks": ["crashed"], "closes": ["crashed"],
        "isnan": ["diverged"], "transductive": ["n/a", "ok"], "pca": ["ok"],
    }  # fmt: skip
    bad = frame[frame["method"].isin(["raises", "hangs", "crashes", "eats", "isnan"])]
    assert bad["value"].isna().all() and bad.groupby("method").size().eq(3).all()
    reasons = frame.groupby("method")["reason"].first()
    assert "this method never works" in reasons["raises"] and "run.timeout" in reasons["hangs"]
    assert "SIGSEGV" in reasons["crashes"] and "run.memory" in reasons["eats"]
    assert set(frame.loc[frame["method"] == "transductive", "split"]) == {"train"}
    assert (
        frame.loc[(frame["method"] == "good") & (frame["metric"] == "mcn"), "reason"]
        .item()
        .startswith("the method has no")
    )

    status = bench("status", "out")
    assert "this method never works" in status.stdout and "logs/" in status.stdout
    # Where there is a log it shows the place: the traceback, or what the process was doing when it was ended.
    logs = {
        line.split(": ")[1].split()[0]: line.rpartition("-> ")[2]
        for line in status.stdout.splitlines()
        if "-> " in line
    }
    assert {"raises", "hangs", "crashes"} <= set(logs)
    for method, path in logs.items():
        text = (tmp_path / path.strip()).read_text()
        assert "faulty.py" in text and "in fit" in text, method

    # Failures are kept and shown, nothing runs again; only --retry runs them.
    again = bench("run", "--out", "out")
    assert again.returncode == 1 and "kept as timeout" in again.stdout
    assert_same_results(frame, frame_of(tmp_path / "out"))
    (tmp_path / "faulty.py").write_text(FAULTY.replace('raise RuntimeError("this method never works")', "return self"))
    mended = bench("run", "--out", "out", "--retry", "failed")
    assert mended.returncode == 1
    after = frame_of(tmp_path / "out").groupby("method")["status"].agg(set)
    assert set(after["raises"]) == {"ok", "n/a"} and set(after["hangs"]) == {"timeout"}


SHARING = '''
import os
import threading
import numpy as np
import torch


class Rude:
    """Leaves the process it ran in spoiled."""

    def __init__(self, latent_dim: int = 2):
        self.latent_dim = latent_dim

    def fit(self, X):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        os.chdir("/")
        return self

    def encode(self, X):
        return np.asarray(X[:, :2], dtype=np.float32)


class Deadly(Rude):
    def fit(self, X):
        threading.Timer(1.0, lambda: os._exit(7)).start()
        return self


class Slow(Rude):
    def fit(self, X):
        import time

        time.sleep(2)
        return self


class OddDecoders(Rude):
    """Decoders are plain callables, decode has another shape, the state is no array."""

    def fit(self, X):
        self.decoders_ = [lambda z: torch.cat([z, z[:, :1] ** 2], dim=1)]
        return self

    def decode(self, Z):
        return np.zeros((1, 3), dtype=np.float32)

    def state_arrays(self):
        return {"a": np.array(object())}


class Bracketed(Rude):
    def fit(self, X):
        raise RuntimeError("no file in [/data/x] [bold]")
'''


def test_a_method_cannot_harm_the_next_one_in_its_worker(bench, write_suite, tmp_path):
    (tmp_path / "sharing.py").write_text(SHARING)
    rude = '[methods.rude]\ntarget = "./sharing.py:Rude"\n'
    deadly = '[methods.deadly]\ntarget = "./sharing.py:Deadly"\n[methods.slow]\ntarget = "./sharing.py:Slow"\n'
    write_suite(SMALL_SUITE)
    assert bench("run", "--out", "alone", "--jobs", "1").returncode == 0
    write_suite(SMALL_SUITE.replace("[methods.pca]", rude + deadly + "[methods.pca]"))
    done = bench("run", "--out", "together", "--jobs", "1")
    assert done.returncode == 0, done.stdout
    together = frame_of(tmp_path / "together")
    ours = together[together["method"].isin(["pca", "ae"])].reset_index(drop=True)
    assert_same_results(frame_of(tmp_path / "alone"), ours)
    assert len(list((tmp_path / "together" / "models").iterdir())) == 10


def test_what_one_metric_or_picture_cannot_use_costs_no_other_score(bench, write_suite, tmp_path):
    (tmp_path / "sharing.py").write_text(SHARING)
    write_suite(
        SMALL_SUITE.replace("[methods.pca]", '[methods.odd]\ntarget = "./sharing.py:OddDecoders"\n[methods.pca]')
    )
    done = bench("run", "--out", "out", "-m", "odd")
    assert done.returncode == 1 and "reconstruction_mse failed" in done.stdout
    rows = frame_of(tmp_path / "out").query("seed == 0").set_index("metric")
    assert rows.loc["knn_preservation", "status"] == "ok" and rows.loc["mcn", "value"] >= 1
    assert (
        rows.loc["reconstruction_mse", "status"] == "failed"
        and "shape (1, 3)" in rows.loc["reconstruction_mse", "reason"]
    )


def test_data_that_change_from_load_to_load_are_refused(bench, write_suite, tmp_path):
    (tmp_path / "data.py").write_text(
        "import numpy as np\nfrom datasets.base import Data\n"
        "class Mine:\n    def load(self):\n        return Data(np.random.default_rng().normal(size=(60, 3)))\n"
    )
    write_suite(SMALL_SUITE.replace("[datasets.swiss_roll]\nn = 160", '[datasets.mine]\ntarget = "./data.py:Mine"'))
    done = bench("run", "--out", "out", "-m", "pca")
    assert done.returncode == 1 and "loads to other data each time" in done.stdout


def test_a_reason_with_brackets_is_shown_as_it_is(bench, write_suite, tmp_path):
    (tmp_path / "sharing.py").write_text(SHARING)
    write_suite(SMALL_SUITE.replace("[methods.pca]", '[methods.odd]\ntarget = "./sharing.py:Bracketed"\n[methods.pca]'))
    for _ in range(2):
        done = bench("run", "--out", "out")
        assert done.returncode == 1 and "no file in [/data/x] [bold]" in done.stdout and not done.stderr


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

    # Nothing is left to do, and another number of workers or another order changes nothing.
    again = bench("run", "--out", "out")
    assert again.returncode == 0 and "✓" not in again.stdout
    assert_same_results(frame, frame_of(tmp_path / "out"))
    plan = json.loads(bench("plan", "--out", "out", "--json").stdout)
    assert all(row["todo"] == 0 for row in plan)


def test_a_run_killed_at_random_moments_resumes_to_the_same_table(bench, write_suite, tmp_path):
    write_suite(TUNED)
    assert bench("run", "--out", "clean", "--jobs", "2").returncode == 0
    moments = random.Random(3)
    kills = 0
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench", "run", "--out", "killed", "--jobs", "2"],
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(moments.uniform(2, 8))
        if process.poll() is None:
            process.kill()
            kills += 1
        process.wait()
    assert kills >= 2
    assert bench("run", "--out", "killed", "--jobs", "2").returncode == 0
    assert_same_results(frame_of(tmp_path / "clean"), frame_of(tmp_path / "killed"))


def test_workers_die_with_a_killed_coordinator(write_suite, tmp_path):
    write_suite(FAULTY_SUITE.replace('"6s"', '"1h"'))
    (tmp_path / "faulty.py").write_text(FAULTY)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "bench", "run", "-m", "hangs", "--out", "out"],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def children() -> list[int]:
        import psutil

        return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]

    deadline = time.monotonic() + 60
    while not children() and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = children()
    assert workers
    time.sleep(1)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


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
    assert bench("run", "--out", "out").returncode == 0


def test_a_metric_added_later_is_scored_on_the_saved_models(bench, write_suite, tmp_path):
    write_suite(SMALL_SUITE)
    assert bench("run", "--out", "out").returncode == 0
    before = frame_of(tmp_path / "out")
    write_suite(SMALL_SUITE.replace('"mcn"]', '"mcn", "relaxed_distortion", "stress", "mcn_attached"]'))
    plan = json.loads(bench("plan", "--out", "out", "--json").stdout)
    assert [row["todo"] for row in plan] == [2, 2]
    done = bench("run", "--out", "out")
    assert done.returncode == 0, done.stderr
    after = frame_of(tmp_path / "out")
    assert {"relaxed_distortion", "stress", "mcn_attached"} <= set(after["metric"])
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
    from bench.ledger import locked

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
