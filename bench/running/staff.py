"""Who computes a suite: how many processes, with how many threads, and in which stacks."""

from __future__ import annotations

from dataclasses import dataclass

from bench.plan.stacking import Stacking, n_at_once
from bench.record.provenance import usable_cores
from bench.suite.config import Suite
from methods.training.device import device_type

# More processes would share one GPU in ever smaller turns; fewer would leave it idle while they score on their CPU.
_WORKERS_ON_A_GPU = 4
# A cautious bound: one and two have been measured (docs/measurements/stacks.md).
_MOST_THREADS = 8


@dataclass(frozen=True)
class Staff:
    """Worker processes, the threads of each, and how cells are dealt out to them."""

    n_workers: int
    threads: int
    stacking: Stacking

    @classmethod
    def of(cls, suite: Suite, device: str, n_workers: int) -> Staff:
        """Workers for as many jobs as there can be at once, and threads for the cores that are left over.

        Args:
            n_workers: as many as that in any case; 0 leaves it to the machine and the suite.
        """
        cores = usable_cores()
        on_gpu = device_type(device) == "cuda"
        most = n_workers or (min(cores, _WORKERS_ON_A_GPU) if on_gpu else cores)
        stacking = Stacking.of(suite, most, device)
        chosen = n_workers or min(most, n_at_once(suite, stacking))
        return cls(chosen, min(_MOST_THREADS, max(1, cores // chosen)), stacking)
