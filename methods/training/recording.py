"""A training step as a CUDA graph: recorded once, then launched as one, whatever the number of kernels in it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

log = logging.getLogger(__name__)

Terms = Mapping[str, Tensor]
# Terms of a batch and of the random numbers for it.
Step = Callable[[Terms, Terms], Terms]
# Records a call: what it gives, overwritten by every replay, and the replay.
Record = Callable[[Callable[[], Terms]], tuple[Terms, Callable[[], None]]]

_WARM_UP = 3


class Records:
    """Records of one step, for each shape of its inputs.

    The first calls with a shape are made as they are, which is the warm-up that CUDA asks for. Whatever the step reads
    beside its inputs must stay where it is in memory, as must what it writes. A step that cannot be recorded, because
    it asks the device for a number, is called every time.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._calls: dict[tuple[torch.Size, ...], int] = {}
        self._records: dict[tuple[torch.Size, ...], Step] = {}

    def __call__(self, step: Step, batch: Terms, draws: Terms) -> Terms:
        """What the step gives; valid until the next call."""
        shape = tuple(value.shape for part in (batch, draws) for value in part.values())
        self._calls[shape] = self._calls.get(shape, 0) + 1
        if self._calls[shape] <= _WARM_UP:
            return step(batch, draws)
        if shape not in self._records:
            try:
                self._records[shape] = _Replayed(step, self._record, batch, draws)
            except RuntimeError:
                log.warning("a training step cannot be recorded, its kernels are launched one by one", exc_info=True)
                self._calls[shape] = -sys.maxsize
                return step(batch, draws)
        return self._records[shape](batch, draws)


class _Replayed:
    """A record of a step, with the memory that its inputs are copied into."""

    def __init__(self, step: Step, record: Record, batch: Terms, draws: Terms) -> None:
        self._batch, self._draws = _clones(batch), _clones(draws)
        self._outputs, self._replay = record(lambda: step(self._batch, self._draws))

    def __call__(self, batch: Terms, draws: Terms) -> Terms:
        for kept, given in ((self._batch, batch), (self._draws, draws)):
            for name, value in given.items():
                kept[name].copy_(value)
        self._replay()
        return self._outputs


def is_recordable(device: torch.device) -> bool:
    """Whether launching kernels one by one is what a step on this device waits for."""
    return device.type == "cuda"


def cuda_graph(call: Callable[[], Terms]) -> tuple[Terms, Callable[[], None]]:
    """Capture a call, which is not carried out by that."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = call()
    return outputs, graph.replay


def _clones(terms: Terms) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in terms.items()}
