"""Training steps as CUDA graphs against the same steps launched kernel by kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from unittest.mock import patch

import numpy as np
import torch

from bench.gpu.irvae import data, train
from bench.gpu.parts import Report
from bench.kernels.clock import synchronised
from methods.base import Array
from methods.training import loop
from methods.training.recording import Terms, cuda_graph

EAGER, RECORDED = "launched one by one", "as the loop does it on this device"
# In double precision, after one epoch; the order of a GPU's sums is not the same twice.
TOLERANCE = 1e-6


def run(device: str, report: Report, *, width: int, n_features: int, batches: int, epochs: int, rounds: int) -> None:
    """Milliseconds per step both ways, and by how much the trained models differ.

    Args:
        epochs: that are timed, of so many batches, beside one that warms up and records.

    Raises:
        RuntimeError: nothing was captured on a GPU, or the models differ.
    """
    X, X_val = data(n_features, batches)

    def trained(n_epochs: int) -> dict[str, Array]:
        return train([0], X, X_val, width=width, epochs=n_epochs, device=device)[0].state_arrays()

    def seconds(n_epochs: int) -> float:
        began = synchronised()
        trained(n_epochs)
        return synchronised() - began

    milliseconds, states = {}, {}
    for form in (EAGER, RECORDED):
        with _steps(form) as captures:
            states[form] = _in_double_precision(lambda: trained(1))
            trained(1)
            found = [seconds(1 + epochs) - seconds(1) for _ in range(rounds)]
        milliseconds[form] = 1e3 * median(found) / (epochs * batches)
        report({"steps": form, "ms per step": milliseconds[form], "graphs captured": captures.n})
    differs = max(_relative(states[RECORDED][name], value) for name, value in states[EAGER].items())
    report(
        {
            "steps": f"second against first; models after {batches} steps in double precision",
            "times faster": milliseconds[EAGER] / milliseconds[RECORDED],
            "largest relative deviation": differs,
        }
    )
    if device == "cuda" and not captures.n:
        raise RuntimeError("no training step could be captured as a CUDA graph; the log says why")
    if not differs <= TOLERANCE:
        raise RuntimeError(f"training by CUDA graphs gives other models: they differ by {differs:.1e}")


class _Captures:
    """Counts the graphs that the loop captures."""

    n = 0

    def __call__(self, call: Callable[[], Terms]) -> tuple[Terms, Callable[[], None]]:
        captured = cuda_graph(call)
        self.n += 1
        return captured


@contextmanager
def _steps(form: str) -> Iterator[_Captures]:
    """Training within takes its steps in this form."""
    captures = _Captures()
    with patch.object(loop, "cuda_graph", captures):
        if form == RECORDED:
            yield captures
            return
        with patch.object(loop, "is_recordable", lambda device: False):
            yield captures


def _in_double_precision(call: Callable[[], dict[str, Array]]) -> dict[str, Array]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return call()
    finally:
        torch.set_default_dtype(before)


def _relative(found: Array, expected: Array) -> float:
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), np.finfo(float).tiny))
