"""Sixteen models in one computation beside the same models one at a time, and beside plain PyTorch."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.gpu import plain_loops
from bench.running.stack_size import peak_tensor_bytes
from methods.autoencoder import Autoencoder
from methods.cnn_vae import CNNVAE
from methods.irvae import IRVAE
from methods.nrae import NRAEL

N_MODELS, N_VALIDATION, BATCH = 16, 100, 100
CORES = 2

# Component, its settings, features of the data, epochs, batches in each.
CASES: dict[str, tuple[type, dict[str, Any], int, int, int]] = {
    "ae 784-256x4-2": (Autoencoder, {"hidden": [256] * 4}, 784, 3, 10),
    "ae 3-64x4-2": (Autoencoder, {"hidden": [64] * 4}, 3, 12, 10),
    "irvae 784-256x4-2": (IRVAE, {"hidden": [256] * 4}, 784, 2, 10),
    "irvae 3-64x4-2": (IRVAE, {"hidden": [64] * 4}, 3, 6, 10),
    "nrae-l 784-256x4-2": (NRAEL, {"hidden": [256] * 4}, 784, 2, 10),
    "nrae-l 3-64x4-2": (NRAEL, {"hidden": [64] * 4}, 3, 6, 10),
    "cnn-vae 8x8": (CNNVAE, {"sample_shape": (1, 8, 8)}, 64, 1, 10),
    "cnn-vae 28x28": (CNNVAE, {"sample_shape": (1, 28, 28)}, 784, 1, 3),
}
PLAIN = {Autoencoder: plain_loops.PlainAutoencoder, IRVAE: plain_loops.PlainIRVAE}


def data(n_features: int, batches: int) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).random((batches * BATCH + N_VALIDATION, n_features), dtype=np.float32)
    return X[N_VALIDATION:], X[:N_VALIDATION]


def train(case: str, seeds: list[int], size: int, device: str = "cpu") -> None:
    """Train models with these seeds in stacks of a size."""
    component, settings, n_features, epochs, batches = CASES[case]
    X, X_val = data(n_features, batches)
    models = [component(**settings, epochs=epochs, patience=None, device=device, random_state=seed) for seed in seeds]
    for at in range(0, len(models), size):
        component.fit_many(models[at : at + size], X, X_val=X_val)


@pytest.fixture(params=[1, CORES], ids=["1 thread", f"{CORES} threads"])
def threads(request) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def measure(benchmark, case: str, call, rounds: int = 3) -> None:
    """The time of a step of one model goes into the benchmark's `extra_info`."""
    benchmark.group = case
    benchmark.pedantic(call, rounds=rounds, warmup_rounds=1)
    steps = N_MODELS * CASES[case][3] * CASES[case][4]
    if benchmark.stats is not None:
        benchmark.extra_info["ms_per_step_of_one_model"] = 1e3 * benchmark.stats.stats.median / steps


@pytest.mark.parametrize("size", [1, 4, 16])
@pytest.mark.parametrize("case", CASES)
def test_in_one_process(benchmark, case, size, threads):
    measure(benchmark, case, lambda: train(case, list(range(N_MODELS)), size))


@pytest.mark.parametrize("case", [case for case, (component, *_) in CASES.items() if component in PLAIN])
def test_plain_pytorch(benchmark, case, threads):
    component, settings, n_features, epochs, batches = CASES[case]
    X, X_val = map(torch.as_tensor, data(n_features, batches))

    def one_after_the_other():
        for _ in range(N_MODELS):
            model = PLAIN[component](n_features, settings["hidden"])
            plain_loops.train(model, X, X_val, epochs)

    measure(benchmark, case, one_after_the_other)


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """One process of one thread for each core, as the runner has them."""
    spawn = multiprocessing.get_context("spawn")
    # They import this module.
    with (
        pytest.MonkeyPatch.context() as patch,
        ProcessPoolExecutor(CORES, mp_context=spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        patch.syspath_prepend(str(Path(__file__).parents[2]))
        yield pool


@pytest.mark.parametrize("size", [1, N_MODELS // CORES])
@pytest.mark.parametrize("case", CASES)
def test_a_process_for_each_core(benchmark, case, size, processes):
    share = N_MODELS // CORES
    parts = [list(range(at, at + share)) for at in range(0, N_MODELS, share)]

    def train_all():
        for done in [processes.submit(train, case, part, size) for part in parts]:
            done.result()

    measure(benchmark, case, train_all)


@pytest.mark.parametrize("case", CASES)
def test_memory_of_one_model_more(benchmark, case):
    """Not a time: the peak bytes of tensors that one more model in the stack takes, in `extra_info`."""
    peaks = benchmark.pedantic(
        lambda: [peak_tensor_bytes(lambda n=n: train(case, list(range(n)), n)) for n in (2, 4)], rounds=1
    )
    if peaks is not None:
        benchmark.extra_info["bytes_per_model"] = (peaks[1] - peaks[0]) // 2
