"""What may befall a run: kills, full and read-only disks, a database that is locked or gone, damaged ledgers."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.bench.comparison import assert_same_results, frame_of

SUITE = """
suite = "chaos"
[run]
report_seeds = [0, 1, 2]
[tune]
trials = 3
batch = 3
[datasets.swiss_roll]
n = 160
[methods.pca]
[methods.isomap]
search.n_neighbors = { low = 5, high = 20 }
[methods.ae]
epochs = 10
search = {}
[metrics]
use = ["knn_preservation", "reconstruction_mse", "mcn"]
[track]
mlflow = "off"
"""


SLEEPER = """
import signal
import time


class Sleeper:
    def fit(self, X):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
"""


GLUTTON = """
import numpy as np


class Glutton:
    def fit(self, X):
        held = []
        while True:
            held.append(np.ones(50_000_000 // 8))
"""


def begin(tmp_path: Path, *options: str, before: Callable[[], object] = lambda: None) -> subprocess.Popen[str]:
    def in_the_child() -> None:
        _listen_to_hangups()
        before()

    return subprocess.Popen(
        [sys.executable, "-P", "-m", "bench", "run", "--out", "out", "--jobs", "2", *options],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=in_the_child,
    )  # fmt: skip


def _listen_to_hangups() -> None:
    """What runs the tests may itself run under nohup, whose children a hang-up does not reach."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def n_recorded(tmp_path: Path) -> int:
    return sum(path.read_bytes().count(b'"kind": "job"') for path in (tmp_path / "out" / "ledger").glob("*.jsonl"))


def recorded(tmp_path: Path) -> list[str]:
    """Every record of every cell, by what the cell is."""
    lines = [
        json.loads(line)
        for path in (tmp_path / "out" / "ledger").glob("*.jsonl")
        for line in path.read_bytes().splitlines()
        if line.endswith(b"}")
    ]
    return [json.dumps(record["cell"], sort_keys=True) for line in lines for record in line.get("records", ())]


@pytest.fixture
def undisturbed(write_suite, finished):
    """The frame of a run that nothing befell; the same suite is in the test's own folder."""
    write_suite(SUITE)
    return frame_of(finished(SUITE))


def small_disk(folder: Path, size: str) -> None:
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False)
    if done.returncode != 0:
        pytest.skip("needs to be allowed to mount a small tmpfs")


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "out"
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("size", [pytest.param("40k", marks=pytest.mark.slow), "400k"])
def test_a_full_disk_is_said_and_nothing_is_lost(size, disk, undisturbed, tmp_path):
    small_disk(disk, size)
    process = begin(tmp_path)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 2 and "Traceback" not in said and "make room, then run the same again" in said, said
    before = n_recorded(tmp_path)
    subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
    again = begin(tmp_path)
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert n_recorded(tmp_path) >= before
    assert_same_results(undisturbed, frame_of(disk))


@pytest.mark.slow
def test_a_disk_that_becomes_read_only_is_said(disk, undisturbed, tmp_path):
    small_disk(disk, "50m")
    (disk / "ledger").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    process = begin(tmp_path)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2 and "Traceback" not in said and "Read-only" in said
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    again = begin(tmp_path)
    again.communicate(timeout=120)
    assert again.returncode == 0
    assert_same_results(undisturbed, frame_of(disk))


@pytest.fixture
def little_memory():
    """What makes a process, and those that it starts, share 2 GB of memory, at whose end the kernel kills."""
    groups, limit = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
    if not groups.is_dir():
        groups, limit = groups.parent, "memory.max"
    if psutil.swap_memory().total:
        pytest.skip("needs a machine without swap, which ends before the memory does")
    group = groups / f"chaos-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"needs to be allowed to make control groups: {error}")
    try:
        (group / limit).write_text("2G")
        yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        pytest.skip(f"needs to be allowed to limit the memory of control groups: {error}")
    finally:
        group.rmdir()


@pytest.mark.slow
def test_a_machine_out_of_memory_costs_the_cell_that_ate_it(little_memory, undisturbed, write_suite, tmp_path):
    (tmp_path / "glutton.py").write_text(GLUTTON)
    write_suite(SUITE.replace("[methods.pca]", '[methods.pca]\n[methods.glutton]\ntarget = "./glutton.py:Glutton"'))
    process = begin(tmp_path, before=little_memory)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 1 and "Traceback" not in said, said
    status = subprocess.run(
        [sys.executable, "-P", "-m", "bench", "status", "out"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "perhaps by the system for want of memory" in " ".join(status.stdout.split())
    frame = frame_of(tmp_path / "out")
    glutton = frame["method"] == "glutton"
    assert set(frame.loc[glutton, "status"]) == {"crashed"}
    assert_same_results(undisturbed, frame[~glutton].reset_index(drop=True))
    assert len(recorded(tmp_path)) == len(set(recorded(tmp_path)))


@pytest.mark.parametrize(
    "name", ["SIGHUP", pytest.param("SIGTERM", marks=pytest.mark.slow), pytest.param("SIGINT", marks=pytest.mark.slow)]
)
def test_a_signal_ends_a_run_in_order(name, undisturbed, write_suite, tmp_path):
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    write_suite(SUITE.replace("[methods.pca]", '[methods.pca]\n[methods.sleeper]\ntarget = "./sleeper.py:Sleeper"'))
    process = begin(tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    ours = family(process)
    os.kill(process.pid, signal.Signals[name])
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130 and "goes on from here" in said and "Traceback" not in said
    assert_gone(ours)
    write_suite(SUITE)
    again = begin(tmp_path)
    again.communicate(timeout=120)
    assert again.returncode == 0
    assert_same_results(undisturbed, frame_of(tmp_path / "out"))
    assert len(recorded(tmp_path)) == len(set(recorded(tmp_path)))


def test_damaged_lines_cost_their_own_cells(undisturbed, finished, bench, tmp_path):
    shutil.copytree(finished(SUITE), tmp_path / "out")
    (part,) = (tmp_path / "out" / "ledger").glob("*.jsonl")
    lines = part.read_bytes().splitlines()
    jobs = [at for at, line in enumerate(lines) if b'"kind": "job"' in line]
    lines[jobs[0]] = lines[jobs[0]][:50]
    lines[jobs[1]] = bytes(reversed(lines[jobs[1]]))
    # A record of another seed: its cell's id is made of what the cell is, so that it is simply another cell.
    lines[jobs[2]] = lines[jobs[2]].replace(b'"seed": 0', b'"seed": 77').replace(b'"seed": 100', b'"seed": 77')
    part.write_bytes(b"\n".join(lines) + b"\n\x00\xff\n")
    done = bench("run", "--out", "out", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert_same_results(undisturbed, frame_of(tmp_path / "out"))


def test_a_second_coordinator_is_refused_and_harms_nothing(undisturbed, bench, tmp_path):
    process = begin(tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    second = bench("run", "--out", "out")
    assert second.returncode == 2 and "another bench run is using this folder" in second.stderr
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert_same_results(undisturbed, frame_of(tmp_path / "out"))


def test_an_mlflow_store_that_is_no_database_or_is_gone_costs_no_result(undisturbed, write_suite, bench, tmp_path):
    write_suite(SUITE.replace('"off"', '"sqlite"'))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mlflow.db").write_bytes(b"this is no database" * 100)
    done = bench("run", "--out", "out", "--jobs", "2")
    assert done.returncode == 0 and "results are safe in the ledger" in done.stderr
    assert_same_results(undisturbed, frame_of(tmp_path / "out"))
    (tmp_path / "out" / "mlflow.db").unlink()
    assert n_runs_after_sync(tmp_path) > 9


@pytest.mark.slow
def test_an_mlflow_store_that_another_process_has_locked_costs_no_result(undisturbed, write_suite, bench, tmp_path):
    write_suite(SUITE.replace('"off"', '"sqlite"'))
    assert bench("run", "--out", "out", "-m", "pca").returncode == 0
    with closing(sqlite3.connect(tmp_path / "out" / "mlflow.db", isolation_level=None)) as other:
        other.execute("begin exclusive")
        process = begin(tmp_path)
        said, _ = process.communicate(timeout=240)
    assert process.returncode == 0 and "Traceback" not in said, said
    assert "database is locked" in said and "results are safe in the ledger" in said
    assert_same_results(undisturbed, frame_of(tmp_path / "out"))
    assert n_runs_after_sync(tmp_path) > 9


def n_runs_after_sync(tmp_path: Path) -> int:
    # In this process MLflow keeps a connection to what was there.
    subprocess.run([sys.executable, "-P", "-m", "bench", "sync", "out"], cwd=tmp_path, check=True, capture_output=True)
    with closing(sqlite3.connect(tmp_path / "out" / "mlflow.db")) as database:
        (runs,) = database.execute("select count(*) from runs").fetchone()
    return int(runs)


RUDE = """
import sys
import threading
import time

import numpy as np
import torch


class Base:
    def __init__(self, latent_dim: int = 2, random_state: int = 0):
        self.latent_dim = latent_dim

    def fit(self, X):
        return self

    def encode(self, X):
        return X[:, :2].copy()


class Scribbles(Base):
    def fit(self, X):
        X *= 0
        X += np.arange(X.size).reshape(X.shape)
        torch.set_default_device("meta")
        torch.set_default_dtype(torch.float64)
        np.random.seed(3)
        return self


class Leaves(Base):
    def fit(self, X):
        sys.exit(0)


class Shouts(Base):
    def fit(self, X):
        for _ in range(60):
            sys.stdout.write("x" * 1_000_000)
        sys.stdout.flush()
        time.sleep(1)
        raise RuntimeError("hoarse")


class Stays(Base):
    def fit(self, X):
        def spin():
            while True:
                time.sleep(0.01)

        threading.Thread(target=spin, daemon=False).start()
        return self


class OddShape(Base):
    def encode(self, X):
        return [["a"]]
"""


def test_rude_methods_cost_their_own_cells_to_the_bit(undisturbed, write_suite, bench_own_workers, tmp_path):
    (tmp_path / "rude.py").write_text(RUDE)
    names = ("Scribbles", "Leaves", "Shouts", "Stays", "OddShape")
    rude = "".join(f'[methods.{name.lower()}]\ntarget = "./rude.py:{name}"\n' for name in names)
    write_suite(SUITE.replace("[methods.pca]", rude + "[methods.pca]"))
    done = bench_own_workers("run", "--out", "out", "--jobs", "1")
    assert done.returncode == 1, done.stderr
    found = frame_of(tmp_path / "out")
    ours = found[~found["method"].isin([name.lower() for name in names])].reset_index(drop=True)
    assert_same_results(undisturbed, ours)
    statuses = {name: set(rows["status"]) for name, rows in found.groupby("method")}
    assert statuses["leaves"] == statuses["shouts"] == statuses["oddshape"] == {"failed"}
    logs = [path.stat().st_size for path in (tmp_path / "out" / "logs").iterdir()]
    assert max(logs) < 25_000_000


FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.mark.slow
@pytest.mark.skipif(FAKETIME is None, reason="needs libfaketime, which sets the clock of a process")
def test_a_clock_that_jumps_by_years_changes_nothing(undisturbed, tmp_path):
    clock = tmp_path / "clock"
    clock.write_text("+0")

    def faked() -> None:
        os.environ |= {
            "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
        }  # fmt: skip

    for _ in range(2):
        process = begin(tmp_path, before=faked)
        for jump in itertools.cycle(["-400d", "+3d", "-1h", "+900d"]):
            if process.poll() is not None:
                break
            clock.write_text(jump)
            time.sleep(0.2)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in said, said
        assert_same_results(undisturbed, frame_of(tmp_path / "out"))
    assert len(recorded(tmp_path)) == len(set(recorded(tmp_path))) > 0
    assert frame_of(tmp_path / "out")["started_at"].str[:4].nunique() > 1, "the clock was not changed"


@pytest.mark.slow
def test_a_sweep_under_many_kills_is_the_undisturbed_one(undisturbed, tmp_path):
    rng = random.Random(0)
    kills = {"coordinator": 0, "worker": 0, "SIGTERM": 0, "SIGHUP": 0}
    deadline = time.monotonic() + 400
    while sum(kills.values()) < 30 and time.monotonic() < deadline:
        process = begin(tmp_path)
        time.sleep(rng.uniform(0.5, 5))
        ours = family(process)
        kind = rng.choice(list(kills))
        if kind == "worker" and ours:
            # Of a job that dies twice the cell is to blame; one kill is forgiven.
            rng.choice(ours).kill()
            process.communicate(timeout=120)
        else:
            os.kill(process.pid, {"SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP}.get(kind, signal.SIGKILL))
            process.communicate(timeout=60)
        kills[kind] += 1
        assert_gone(ours)
    last = begin(tmp_path, "--retry", "crashed,oom,failed")
    said, _ = last.communicate(timeout=120)
    assert last.returncode == 0, said
    assert_same_results(undisturbed, frame_of(tmp_path / "out"))
    assert sum(kills.values()) >= 20, kills


def test_passwords_of_a_database_are_nowhere(undisturbed, write_suite, bench, tmp_path):
    # Long ones: three characters in a row are found in pictures that a page holds as base64, by chance.
    parts = ("first-s3cret", "second-s3cret")
    addresses = [f"postgresql://me:{password}@127.0.0.1:1/x" for password in (parts[0], "/".join(parts))]
    said = ""
    for address in addresses:
        write_suite(SUITE.replace('"off"', f'"{address}"'))
        done = bench("run", "--out", "out", "-m", "pca")
        said += done.stdout + done.stderr
    said += bench("sync", "out", "--uri", addresses[0]).stderr
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    for part in parts:
        assert part not in said
        assert files and not [path for path in files if part.encode() in path.read_bytes()]
    assert not [path for path in files if path.stat().st_mode & 0o002]
