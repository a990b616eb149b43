"""How many models are trained at once, by what they take in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.plan.jobs import Job, Setting
from bench.record.cells import Cell
from bench.running import stack_size
from bench.running.job import run_job
from bench.running.prepared import prepare
from bench.running.stack_size import Budget, _bytes_of_one_more, largest_stack, peak_tensor_bytes
from bench.suite.data import DatasetSpec, load_data
from bench.suite.metrics import metric_choice
from datasets.base import content_hash
from methods.autoencoder import Autoencoder
from methods.pca import PCA
from methods.rbf_vae import RBFVAE


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


def test_a_job_too_large_for_its_memory_trains_part_after_part(tmp_path, monkeypatch):
    monkeypatch.setattr(stack_size, "largest_stack", lambda methods, X, offered, budget: 2)
    spec = DatasetSpec("roll", "swiss_roll", {"n": 300}, "", None)
    spec = replace(spec, content=content_hash(load_data(spec, tmp_path)))
    params = {"hidden": [4], "epochs": 8}
    cells = tuple(Cell("tune", spec, "ae", "ae", params, seed) for seed in range(5))
    setting = Setting(str(tmp_path), str(tmp_path), "cpu", 60.0, 10**9)
    job = Job(cells, (metric_choice("knn_preservation", Path()),), "validation", setting, prune=True)
    asked = []

    def report(position, epoch, value):
        asked.append((position, epoch))
        return position == 3 and epoch == 4

    records = run_job(prepare(job), report)
    assert [record.stack_size for record in records] == [2, 2, 2, 2, 1]
    assert [record.cell.seed for record in records] == [0, 1, 2, 3, 4]
    assert [record.status for record in records] == ["ok", "ok", "ok", "pruned", "ok"]
    assert asked == [(0, 4), (1, 4), (0, 8), (1, 8), (2, 4), (3, 4), (2, 8), (4, 4), (4, 8)]
