"""The clock of the timings: a GPU's work counts when it is done, not when it is asked for."""

from __future__ import annotations

import time

import torch


def synchronised() -> float:
    """Seconds, once the device has done all that it was asked for."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()
