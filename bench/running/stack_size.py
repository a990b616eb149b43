"""How many models are worth training at once: what one more takes in memory, and how much there is."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.suite.signatures import accepted, parameters
from methods.training.device import choose_device

log = logging.getLogger(__name__)

# Beyond this a stack on a CPU has left its caches, and gains nothing more or loses (docs/measurements/stacks.md).
_WORKING_SET = 512_000_000
# What a worker's libraries take, and of the rest what a stack may.
_LIBRARIES, _SHARE = 500_000_000, 0.8
# A recorded step has memory of its own beside that of the first steps, which are not.
_ON_A_GPU = 2
# Rows that are enough to see the largest batches: of training, where they are at least two, and of validation.
_FEW, _VALIDATION = 256, 1_024


@dataclass(frozen=True)
class Budget:
    """What a stack may take: bytes of this process, or its part of a GPU that `sharers` processes use."""

    device: str
    memory: int
    sharers: int = 1


def warm_up() -> None:
    """Let torch import what counting tensors needs, most of a second in a fresh process."""
    peak_tensor_bytes(lambda: torch.ones(1))


def largest_stack(methods: Sequence[Any], X: Any, offered: Mapping[str, Any], budget: Budget) -> int:
    """How many of these methods, alike in shape, to train at once; all of them where that cannot be told.

    Depends on their shape, the data and the budget alone.

    Args:
        X, offered: what they are fitted to.
    """
    if "batch_size" not in parameters(type(methods[0])):
        return len(methods)
    try:
        each = _bytes_of_one_more(methods[0], X, offered)
    except (MemoryError, torch.OutOfMemoryError):
        return 1
    except Exception:
        # A third party's method, or data of which so few rows cannot be fitted.
        log.info("the memory of %s cannot be told", type(methods[0]).__name__, exc_info=True)
        return len(methods)
    return min(len(methods), max(1, int(_room(budget, X.nbytes) // max(1, each))))


def _bytes_of_one_more(method: Any, X: Any, offered: Mapping[str, Any]) -> float:
    """What a stack of two takes more than one alone, at its peak: of few rows, and what grows with the rows."""
    few = max(_FEW, 2 * method.batch_size)
    at_few = _beside_one(method, X, offered, few)
    if len(X) <= 2 * few:
        return at_few
    return at_few + max(0.0, _beside_one(method, X, offered, 2 * few) - at_few) * (len(X) - few) / few


def _beside_one(method: Any, X: Any, offered: Mapping[str, Any], rows: int) -> float:
    """What a stack of two takes more than one alone, in one epoch of the first rows."""
    fit_many = type(method).fit_many
    few = {name: value[: _VALIDATION if name.endswith("_val") else rows] for name, value in offered.items()}
    short = {name: 1 for name in method.get_params() if name.endswith("epochs")}

    def fit(n_models: int) -> Callable[[], Any]:
        models = [type(method)(**{**method.get_params(), **short}) for _ in range(n_models)]
        return lambda: fit_many(models, X[:rows], **accepted(fit_many, few))

    return peak_tensor_bytes(fit(2)) - peak_tensor_bytes(fit(1))


def _room(budget: Budget, data: int) -> float:
    """Bytes that a stack may take beside the data."""
    if choose_device(budget.device).type == "cuda":
        return _SHARE * torch.cuda.mem_get_info()[1] / budget.sharers / _ON_A_GPU
    return min(_WORKING_SET, _SHARE * (budget.memory - _LIBRARIES - 2 * data))


def peak_tensor_bytes(call: Callable[[], Any]) -> int:
    """The most bytes of tensors that a call holds at once, of those that it makes."""
    with _LiveTensors() as live:
        call()
    return live.peak


class _LiveTensors(TorchDispatchMode):
    """Counts the storages that are made and not yet freed."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._see(leaf.untyped_storage())
        return made

    def _see(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        self._now += storage.nbytes()
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._forget, key, storage.nbytes())

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._now -= size
