"""One and many seeds of IRVAE as a stack, against as many plain PyTorch loops one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median

import torch

from bench.gpu import plain_loops
from bench.gpu.irvae import DEPTH, data, train
from bench.gpu.parts import Report
from bench.kernels.clock import synchronised


def run(
    device: str, report: Report, *, n_models: int, width: int, n_features: int, batches: int, epochs: int,
    plain_epochs: int, rounds: int,
) -> None:  # fmt: skip
    """Seconds of whole trainings, recording and validation included, and what that is for a step of one model.

    Args:
        epochs, plain_epochs: of a stack and of each plain loop, of so many batches.
        rounds: of a stack, the median counts; the plain loops are many already.
    """
    X, X_val = data(n_features, batches)
    x, x_val = (torch.as_tensor(part, device=device) for part in (X, X_val))

    def plain(n: int) -> None:
        for _ in range(n):
            model = plain_loops.PlainIRVAE(n_features, [width] * DEPTH).to(device)
            plain_loops.train(model, x, x_val, plain_epochs)

    def stack(n: int, n_epochs: int) -> None:
        train(range(n), X, X_val, width=width, epochs=n_epochs, device=device)

    plain(1)
    seconds = _seconds(partial(plain, n_models), rounds=1)
    of_plain = seconds / (n_models * plain_epochs * batches)
    report(_row("plain loops, one after the other", n_models, plain_epochs * batches, seconds, of_plain))
    for n in (1, n_models):
        stack(n, 1)
        seconds = _seconds(partial(stack, n, epochs), rounds)
        report(_row("one stack", n, epochs * batches, seconds, of_plain))


def _seconds(call: Callable[[], None], rounds: int) -> float:
    """Median of the rounds."""
    found = []
    for _ in range(rounds):
        began = synchronised()
        call()
        found.append(synchronised() - began)
    return median(found)


def _row(training: str, models: int, steps: int, seconds: float, of_plain: float) -> dict[str, str | float]:
    of_one = seconds / (models * steps)
    return {
        "training": training, "models": models, "steps": steps, "seconds": seconds,
        "ms per step of one model": 1e3 * of_one, "times faster than plain loops": of_plain / of_one,
    }  # fmt: skip
