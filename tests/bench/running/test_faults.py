"""Methods and data that misbehave: each costs its own cell, and never the results of another."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.comparison import assert_same_results, frame_of
from tests.conftest import SMALL_SUITE

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
timeout = "4s"
memory = "1GB"
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


def test_faults_become_statuses_and_the_good_results_stay(bench_own_workers, write_suite, tmp_path):
    write_suite(FAULTY_SUITE)
    (tmp_path / "faulty.py").write_text(FAULTY)
    done = bench_own_workers("run", "--out", "out", "--jobs", "2")
    assert done.returncode == 1, done.stderr
    frame = frame_of(tmp_path / "out")
    statuses = frame.groupby("method")["status"].agg(lambda column: sorted(set(column)))
    assert statuses.to_dict() == {
        "good": ["n/a", "ok"], "raises": ["failed"], "hangs": ["timeout"], "crashes": ["crashed"], "eats": ["oom"],
        "forks": ["crashed"], "closes": ["crashed"],
        "isnan": ["diverged"], "transductive": ["n/a", "ok"], "pca": ["by construction", "ok"],
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

    status = bench_own_workers("status", "out")
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
    again = bench_own_workers("run", "--out", "out")
    assert again.returncode == 1 and "kept as timeout" in again.stdout
    assert_same_results(frame, frame_of(tmp_path / "out"))
    (tmp_path / "faulty.py").write_text(FAULTY.replace('raise RuntimeError("this method never works")', "return self"))
    mended = bench_own_workers("run", "--out", "out", "--retry", "failed")
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


def test_a_method_cannot_harm_the_next_one_in_its_worker(bench_own_workers, write_suite, tmp_path):
    (tmp_path / "sharing.py").write_text(SHARING)
    rude = '[methods.rude]\ntarget = "./sharing.py:Rude"\n'
    deadly = '[methods.deadly]\ntarget = "./sharing.py:Deadly"\n[methods.slow]\ntarget = "./sharing.py:Slow"\n'
    write_suite(SMALL_SUITE)
    assert bench_own_workers("run", "--out", "alone", "--jobs", "1").returncode == 0
    write_suite(SMALL_SUITE.replace("[methods.pca]", rude + deadly + "[methods.pca]"))
    done = bench_own_workers("run", "--out", "together", "--jobs", "1")
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
    again = bench("run", "--out", "out", "-m", "odd")
    assert again.returncode == 1 and "--retry failed runs it again" in again.stdout
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
    odd = '[methods.odd]\ntarget = "./sharing.py:Bracketed"\n[methods.pca]'
    write_suite(SMALL_SUITE.replace("[methods.pca]", odd).replace("[0, 1]", "[0]"))
    for _ in range(2):
        done = bench("run", "--out", "out", "-m", "odd")
        assert done.returncode == 1 and "no file in [/data/x] [bold]" in done.stdout and not done.stderr


def test_workers_die_with_a_killed_coordinator(write_suite, tmp_path):
    write_suite(FAULTY_SUITE.replace('"4s"', '"1h"'))
    (tmp_path / "faulty.py").write_text(FAULTY)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "bench", "run", "-m", "hangs", "--out", "out"],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def children() -> list[int]:
        import psutil

        # The nursery and, forked from it, the worker; not git, which is asked for the commit and gone again.
        found = []
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                found += [child.pid] if any("forkserver" in word for word in child.cmdline()) else []
        return found

    deadline = time.monotonic() + 60
    while len(children()) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = children()
    assert len(workers) == 2
    time.sleep(1)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
