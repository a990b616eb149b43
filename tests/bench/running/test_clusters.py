"""Sweeps on a real Slurm and a real Ray give what the same sweep gives on one machine; what a lost node costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from tests import slurm
from tests.bench.comparison import assert_same_results, frame_of

SUITE = """
suite = "cluster"
[run]
report_seeds = [0, 1]
[tune]
trials = 4
batch = 2
pruner = "off"
[datasets.swiss_roll]
n = 160
[methods.pca]
[methods.ae]
epochs = 20
[methods.isomap]
search.n_neighbors = { low = 5, high = 20 }
[methods.never]
target = "./slow.py:Never"
[methods.slow]
target = "./slow.py:Slow"
[metrics]
use = ["knn_preservation", "reconstruction_mse", "geodesic_cv"]
[track]
mlflow = "off"
"""
ON_SLURM = """
[executor]
target = "slurm"
cpus = 1
array_parallelism = 2
time = "10m"
"""
SLOW = """
import os
import time


class Slow:
    def __init__(self, seconds: float = 4.0):
        self.seconds = seconds

    def fit(self, X):
        time.sleep(self.seconds)
        return self

    def encode(self, X):
        return X[:, :2]


class Sees(Slow):
    # Writes down which GPUs its worker may use.

    def fit(self, X):
        with open("seen", "a") as file:
            file.write(f"{os.environ.get('SLURM_JOB_ID')} {os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}\\n")
        return super().fit(X)


class Never(Slow):
    def fit(self, X):
        raise RuntimeError("this method never works")
"""


@pytest.fixture
def suite(write_suite, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    write_suite(SUITE)
    return tmp_path / "bench.toml"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    found = slurm.started(tmp_path_factory.mktemp("slurm") / "cluster")
    yield found
    found.stop()


@pytest.fixture
def on_cluster(cluster, monkeypatch, tmp_path):
    for name, value in {**cluster.environment, "HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    return cluster


def begin(tmp_path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "bench", "run", "--out", "out", *options],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ),
    )  # fmt: skip


def n_recorded(tmp_path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in (tmp_path / "out" / "ledger").glob("*-?.jsonl"))


def wait_until(what, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.xdist_group("clusters")
def test_a_sweep_on_slurm_is_that_of_one_machine(suite, on_cluster, bench, tmp_path):
    assert bench("run", "--out", "here").returncode == 1
    suite.write_text(SUITE + ON_SLURM)
    done = bench("run", "--out", "out")
    assert done.returncode == 1 and "this method never works" in done.stdout, done.stderr
    assert_same_results(frame_of(tmp_path / "here"), frame_of(tmp_path / "out"))
    assert not list((tmp_path / "out" / "batches").iterdir())
    assert not on_cluster.ask("squeue", "-h").strip()
    again = bench("run", "--out", "out")
    assert again.returncode == 1 and "kept as failed" in again.stdout
    # What submitit pickles is nowhere in the result folder.
    assert not list((tmp_path / "out").rglob("*.pkl"))


@pytest.mark.slow
@pytest.mark.xdist_group("clusters")
def test_a_lost_node_costs_its_running_jobs_alone(suite, on_cluster, bench, tmp_path):
    suite.write_text(SUITE.replace("report_seeds = [0, 1]", "report_seeds = [0, 1, 2, 3]") + ON_SLURM)
    process = begin(tmp_path, "-m", "slow")
    wait_until(lambda: n_recorded(tmp_path) >= 1, 90)
    on_cluster.kill_node()
    before = n_recorded(tmp_path)
    assert before < 4
    time.sleep(2)
    on_cluster.start_node()
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    lines = [
        json.loads(line)
        for path in (tmp_path / "out" / "ledger").glob("*-?.jsonl")
        for line in path.read_bytes().splitlines()
    ]
    cells = [
        record["cell"]["seed"] for line in lines for record in line["records"] if record["cell"].get("seed") is not None
    ]
    assert sorted(cells) == [0, 1, 2, 3]
    assert bench("run", "--out", "here", "-m", "slow", "--executor", "local").returncode == 0
    assert_same_results(frame_of(tmp_path / "here"), frame_of(tmp_path / "out"))


@pytest.mark.slow
@pytest.mark.xdist_group("clusters")
def test_a_killed_coordinator_leaves_nothing_running_for_long(suite, on_cluster, bench, tmp_path):
    suite.write_text(SUITE + ON_SLURM)
    process = begin(tmp_path, "-m", "slow")
    wait_until(lambda: n_recorded(tmp_path) >= 1, 90)
    process.kill()
    process.communicate()
    assert bench("run", "--out", "out", "-m", "slow").returncode == 0
    wait_until(lambda: not on_cluster.ask("squeue", "-h").strip(), 30)
    frame = frame_of(tmp_path / "out")
    assert sorted(frame.loc[frame["metric"] == "knn_preservation", "seed"]) == [0, 1]


@pytest.mark.slow
@pytest.mark.xdist_group("clusters")
def test_the_workers_of_a_node_share_the_gpu_that_slurm_gave_it(suite, on_cluster, bench, tmp_path):
    own = "cpus = 2\ngpus = 1\narray_parallelism = 1\nsetup = ['cd " + str(tmp_path) + "']"
    suite.write_text(
        SUITE.replace("[methods.slow]", '[methods.sees]\ntarget = "./slow.py:Sees"\n[methods.slow]')
        + ON_SLURM.replace("cpus = 1\narray_parallelism = 2", own)
    )
    done = bench("run", "--out", "out", "-m", "sees")
    assert done.returncode == 0, done.stdout + done.stderr
    first, second, *_ = (line.split() for line in (tmp_path / "seen").read_text().splitlines())
    assert first[0] == second[0] and first[1] != second[1], "two workers of one batch"
    assert first[2] == second[2] == "0", "the one device of the node"


@pytest.mark.slow
@pytest.mark.xdist_group("clusters")
def test_what_slurm_refuses_is_said(suite, on_cluster, bench):
    suite.write_text(SUITE + ON_SLURM + 'partition = "nowhere"\n')
    done = bench("run", "-m", "pca")
    assert done.returncode == 2 and "sbatch" in done.stderr and "partition" in done.stderr, done.stderr


@pytest.mark.slow
def test_a_sweep_on_ray_is_that_of_one_machine(suite, bench, tmp_path):
    pytest.importorskip("ray")
    assert bench("run", "--out", "here").returncode == 1
    done = bench("run", "--out", "out", "--executor", "ray")
    assert done.returncode == 1 and "this method never works" in done.stdout, done.stderr
    assert_same_results(frame_of(tmp_path / "here"), frame_of(tmp_path / "out"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('target = "slurm"\ncpu = 2', "executor.cpu: executor 'slurm' has no such option; did you mean 'cpus'?"),
        ('target = "slurm"\ntime = "soon"', "executor.time"),
        ('target = "slurm"\ncpus = "many"', "executor.cpus"),
        ("target = 3", "executor.target"),
        ("cpus = 4", "executor 'local' has no such option"),
    ],
)
def test_what_an_executor_cannot_be_told_is_refused(given, said, suite, bench):
    suite.write_text(SUITE + f"[executor]\n{given}\n")
    done = bench("run", "-m", "pca")
    assert done.returncode == 2 and said in done.stderr, done.stderr


def test_a_file_of_jobs_is_computed_anywhere_and_goes_on(suite, bench, tmp_path):
    from pathlib import Path

    from bench.plan.jobs import Job, Setting
    from bench.record.cells import Cell
    from bench.running import batch
    from bench.suite.config import load_suite
    from bench.suite.data import load_dataset

    loaded = load_suite(suite)
    spec, _ = load_dataset(loaded, loaded.datasets[0])
    out = tmp_path / "out"
    setting = Setting(str(tmp_path), "/elsewhere", "cpu", 60.0, 8_000_000_000, suite="cluster")
    cells = [Cell("final", spec, name, name, {"latent_dim": 2}, 0) for name in ("pca", "isomap")]
    cells[1] = Cell("final", spec, "never", "./slow.py:Never", {"seconds": 0.1}, 0)
    jobs = [Job((cell,), loaded.metrics[:1], "test", setting) for cell in cells]
    path = batch.write(out, "one", jobs)
    done = bench("worker", "out/batches/one.json")
    assert done.returncode == 1 and "2 of 2 cells to do" in done.stdout and "never works" in done.stdout
    part = batch.part_of(path)
    lines = part.read_text().splitlines()
    assert len(lines) == 2 and not Path("/elsewhere").exists()
    assert all(json.loads(line)["records"][0]["suite"] == "cluster" for line in lines)
    # Its last line was cut off by a kill: that job alone is done again.
    part.write_text(f"{lines[0]}\n{lines[1][:50]}")
    again = bench("worker", "out/batches/one.json")
    assert "1 of 2 cells to do" in again.stdout
    assert json.loads(part.read_text().splitlines()[-1])["records"]
    (tmp_path / "other.json").write_text("[]")
    assert "is no file of jobs" in bench("worker", "other.json").stderr
    assert "cannot be read" in bench("worker", "no.json").stderr
