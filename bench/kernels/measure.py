"""What is measured of one case, beside its time: its error, its memory, its FLOPs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from bench.kernels.cases import Case
from bench.kernels.forms import KERNELS, Call, Inputs, Result

DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}
# Points that a form is checked on: double precision of all of them would not fit where single just does.
CHECKED = 100
# A form in single precision that is further off than this computes something else.
TOLERANCE = 1e-3


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Matrix products and convolutions in full single precision, or in TF32 where that is asked for."""
    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = name == "tf32"
        yield
    finally:
        for switch, allowed in zip(switches, before, strict=True):
            switch.allow_tf32 = allowed


def error(case: Case, at: Inputs) -> float | None:
    """Largest deviation from double precision, relative to the largest value; None for a plain pass."""
    expected = KERNELS[case.kernel].expected(case.form, at.to(torch.float64))
    if expected is None:
        return None
    found = KERNELS[case.kernel].forms[case.form](at.to(DTYPES[case.precision]))()
    return max(_relative(ours, theirs) for ours, theirs in zip(found, expected, strict=True))


def _relative(found: Tensor, expected: Tensor) -> float:
    scale = expected.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
    return float((found.detach().double() - expected.detach()).abs().max() / scale.detach())


def flops_of_a_point(at: Inputs) -> float:
    """Floating-point operations that decoding one point takes."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        at.decoder(at.z[:1])
    return float(counter.get_total_flops())


def peak_memory(call: Call, device: str) -> float:
    """Bytes that one call holds at most, beyond what was held before."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return float(torch.cuda.max_memory_allocated() - before)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        call()
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = highest = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        highest = max(highest, held)
    return float(highest)


def matrix_product(device: str) -> tuple[Callable[[], Result], float]:
    """A large matrix product in single precision, the machine's ceiling, and its FLOPs."""
    n = 8_192 if device == "cuda" else 2_048
    a, b = torch.randn(2, n, n, device=device)
    return lambda: (a @ b,), 2.0 * n**3
