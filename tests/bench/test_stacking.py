"""How cells become stacks: by the workers there are, and by what they take in memory."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench import stacking, work
from bench.cells import Cell, DatasetSpec, Job
from bench.config import load_suite
from bench.plan import Stacking, n_at_once
from bench.stacking import Budget, _bytes_of_one_more, largest_stack, peak_tensor_bytes
from datasets.base import content_hash
from methods.autoencoder import Autoencoder
from methods.pca import PCA
from methods.rbf_vae import RBFVAE
from tests.bench.comparison import frame_of


@pytest.mark.parametrize(
    ("n_cells", "n_pairs", "n_workers", "least", "sizes"),
    [
        (3, 1, 2, 4, [3]),  # too few to deal out
        (3, 1, 2, 1, [2, 1]),
        (10, 1, 2, 4, [5, 5]),
        (10, 1, 1, 4, [10]),
        (10, 1, 16, 4, [5, 5]),
        (10, 1, 16, 1, [1] * 10),
        (11, 1, 16, 4, [6, 5]),
        (10, 16, 16, 4, [10]),  # the other pairs keep the workers busy
        (10, 3, 2, 4, [5, 5]),  # three stacks of ten would leave a worker idle at the end
        (20, 1, 1, 4, [10, 10]),  # more than 16
    ],
)
def test_cells_are_dealt_out_so_that_no_worker_idles(n_cells, n_pairs, n_workers, least, sizes):
    assert Stacking(n_pairs, n_workers, largest=16).sizes(n_cells, least) == sizes


@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 64), st.integers(1, 16), st.integers(1, 9))
def test_every_cell_is_in_a_stack_and_no_stack_is_too_large(n_cells, n_pairs, n_workers, largest, least):
    sizes = Stacking(n_pairs, n_workers, largest).sizes(n_cells, least)
    assert sum(sizes) == n_cells and min(sizes) >= 1 and max(sizes) <= largest
    assert max(sizes) - min(sizes) <= 1


def test_peak_memory_counts_what_lives_at_the_same_time():
    assert peak_tensor_bytes(lambda: [torch.ones(1_000) for _ in range(10)]) == 40_000
    assert peak_tensor_bytes(lambda: torch.ones(1_000).view(10, 100).t()) == 4_000

    def one_after_the_other():
        for _ in range(10):
            torch.ones(1_000)

    assert peak_tensor_bytes(one_after_the_other) == 4_000


def test_a_stack_is_as_large_as_its_memory_allows():
    X = np.zeros((2_000, 50), dtype=np.float32)
    offered = {"X_val": X[:500]}
    small = [Autoencoder(hidden=[8], random_state=seed, device="cpu") for seed in range(12)]
    # 1,000 x 1,000 weights twice, five times over: 40 MB for each model and more.
    wide = [Autoencoder(hidden=[1_000, 1_000], random_state=seed, device="cpu") for seed in range(12)]
    plenty, nothing = Budget("cpu", 8_000_000_000), Budget("cpu", 1)
    assert largest_stack(small, X, offered, plenty) == 12
    assert 6 <= largest_stack(wide, X, offered, plenty) < 12
    assert largest_stack(wide, X, offered, nothing) == 1
    # What a fit takes that trains by no batches is not told by a few rows.
    assert largest_stack([PCA(), PCA()], X, offered, nothing) == 2


def test_what_grows_with_the_rows_is_foreseen():
    X = np.random.default_rng(0).random((6_000, 200), dtype=np.float32)
    foreseen = _bytes_of_one_more(RBFVAE(hidden=[8], device="cpu"), X, {"X_val": X[:300]})
    models = [RBFVAE(hidden=[8], epochs=1, rbf_epochs=1, device="cpu") for _ in range(2)]
    one, two = (peak_tensor_bytes(lambda n=n: RBFVAE.fit_many(models[:n], X, X_val=X[:300])) for n in (1, 2))
    # The squared residuals alone are 4.8 MB for each model.
    assert two - one > 4.8e6 and 0.9 < foreseen / (two - one) < 1.5


@pytest.mark.parametrize(("error", "size"), [(MemoryError(), 1), (torch.OutOfMemoryError(), 1), (TypeError(), 2)])
def test_a_dry_run_that_fails_says_how_many_only_where_memory_failed(error, size):
    class Broken(Autoencoder):
        @classmethod
        def fit_many(cls, estimators, X, **beside):
            raise error

    assert largest_stack([Broken(), Broken()], np.zeros((9, 2), np.float32), {}, Budget("cpu", 8_000_000_000)) == size


def test_workers_are_as_many_as_there_can_be_jobs(write_suite):
    def n_jobs(text, n_workers=16):
        suite = load_suite(write_suite(text))
        return n_at_once(suite, Stacking.of(suite, n_workers, "cpu"))

    suite = SUITE.replace("STACK", "")
    assert n_jobs(suite) == 2  # four seeds of each method as one stack
    assert n_jobs(suite, 1) == 2
    assert n_jobs(suite.replace("[0, 1, 2, 3]", "[0, 1, 2, 3, 4, 5, 6, 7]")) == 3  # isomap embeds once for all
    assert n_jobs(suite.replace("isomap", "umap")) == 1 + 4
    assert n_jobs(suite.replace("[methods.isomap]\nepochs = 3\nhidden = [8]", "[methods.pca]")) == 1 + 4
    tuned = suite + "[tune]\ntrials = 8\nbatch = 6\nobjective = 'knn_preservation'\n"
    assert n_jobs(tuned) == 1 + 6  # trials that differ in learning rate only, and in neighbours


def test_a_job_too_large_for_its_memory_trains_part_after_part(tmp_path, monkeypatch):
    monkeypatch.setattr(stacking, "largest_stack", lambda methods, X, offered, budget: 2)
    spec = DatasetSpec("roll", "swiss_roll", {"n": 300}, "", None)
    spec = replace(spec, content=content_hash(work.load_data(spec, tmp_path)))
    params = {"hidden": [4], "epochs": 8}
    cells = tuple(Cell("tune", spec, "ae", "ae", params, seed) for seed in range(5))
    job = Job(cells, ("knn_preservation",), "validation", str(tmp_path), str(tmp_path), "cpu", 60.0, 10**9, prune=True)
    asked = []

    def report(position, epoch, value):
        asked.append((position, epoch))
        return position == 3 and epoch == 4

    records = work.run_job(work.prepare(job), report)
    assert [record.stack_size for record in records] == [2, 2, 2, 2, 1]
    assert [record.cell.seed for record in records] == [0, 1, 2, 3, 4]
    assert [record.status for record in records] == ["ok", "ok", "ok", "pruned", "ok"]
    assert asked == [(0, 4), (1, 4), (0, 8), (1, 8), (2, 4), (3, 4), (2, 8), (4, 4), (4, 8)]


SUITE = """
suite = "stacked"
[run]
report_seeds = [0, 1, 2, 3]
timeout = "60s"
STACK
[datasets.swiss_roll]
n = 160
[methods.ae]
epochs = 30
hidden = [8]
[methods.isomap]
epochs = 3
hidden = [8]
[metrics]
use = ["knn_preservation", "reconstruction_mse"]
[track]
mlflow = "off"
"""


def test_a_suite_gives_the_same_results_in_stacks_and_one_by_one(bench, write_suite, tmp_path):
    frames = {}
    for name, line in (("together", ""), ("alone", "stack = 1"), ("pairs", "stack = 2")):
        write_suite(SUITE.replace("STACK", line))
        done = bench("run", "--out", name)
        assert done.returncode == 0, done.stdout + done.stderr
        frames[name] = frame_of(tmp_path / name).sort_values(["method", "seed", "metric"])
    sizes = {name: set(frame["stack_size"]) for name, frame in frames.items()}
    assert sizes == {"together": {4}, "alone": {1}, "pairs": {2}}
    for name in ("alone", "pairs"):
        np.testing.assert_allclose(frames[name]["value"], frames["together"]["value"], rtol=1e-4)


def test_what_is_missing_of_a_request_trains_in_the_stacks_of_the_whole(bench, write_suite, tmp_path):
    write_suite(SUITE.replace("STACK", "stack = 2"))
    assert bench("run", "--out", "out", "-m", "ae").returncode == 0
    (ledger,) = (tmp_path / "out" / "ledger").glob("*.jsonl")
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    for entry in entries:
        if entry["kind"] == "job":
            entry["records"] = [record for record in entry["records"] if record["cell"]["seed"] in (0, 3)]
    ledger.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert bench("run", "--out", "out", "-m", "ae").returncode == 0
    frame = frame_of(tmp_path / "out").drop_duplicates("seed").set_index("seed")
    # Seeds 1 and 2 are of different stacks of the request: they do not become one of their own.
    assert frame["stack_size"].to_dict() == {0: 2, 1: 1, 2: 1, 3: 2}


def test_a_stack_of_no_models_is_refused(bench, write_suite):
    write_suite(SUITE.replace("STACK", "stack = 0"))
    done = bench("run")
    assert done.returncode == 2 and "run.stack" in done.stderr and "Traceback" not in done.stderr
