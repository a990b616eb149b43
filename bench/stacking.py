"""How many models are worth training at once: what one more takes in memory, and how much there is."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.signatures import accepted, parameters
from methods.networks import choose_device

log = logging.getLogger(__name__)

# Beyond this a stack on a CPU has left its caches, and gains nothing more or loses (docs/measurements/stacks.md).
_WORKING_SET = 512_000_000
# Of the free memory; libraries take some of their own.
_SHARE = 0.8
# Rows that are enough to see the largest batches: of training, where they are at least two, and of validation.
_FEW, _VALIDATION = 256, 1_024


def largest_stack(methods: Sequence[Any], X: Any, offered: Mapping[str, Any], device: str, memory: int) -> int:
    """How many of these methods, alike in shape, to train at once; all of them where that cannot be told.

    Args:
        X, offered: what they are fitted to. memory: bytes that this process may take.
    """
    if "batch_size" not in parameters(type(methods[0])):
        return len(methods)
    try:
        each = _bytes_of_one_more(methods[0], X, offered)
    except Exception:
        # A third party's method, or data of which so few rows cannot be fitted.
        log.info("the memory of %s cannot be told", type(methods[0]).__name__, exc_info=True)
        return len(methods)
    return min(len(methods), max(1, int(_room(device, memory) // max(1, each))))


def _bytes_of_one_more(method: Any, X: Any, offered: Mapping[str, Any]) -> int:
    """What a stack of two takes more than one alone, at its peak in one epoch of few rows."""
    fit_many = type(method).fit_many
    rows = max(_FEW, 2 * method.batch_size)
    few = {name: value[: _VALIDATION if name.endswith("_val") else rows] for name, value in offered.items()}

    def fit(n_models: int) -> Callable[[], Any]:
        models = [type(method)(**{**method.get_params(), "epochs": 1}) for _ in range(n_models)]
        return lambda: fit_many(models, X[:rows], **accepted(fit_many, few))

    return peak_tensor_bytes(fit(2)) - peak_tensor_bytes(fit(1))


def _room(device: str, memory: int) -> float:
    """Bytes that a stack may take."""
    if choose_device(device).type == "cuda":
        return _SHARE * torch.cuda.mem_get_info()[0]
    return min(_WORKING_SET, _SHARE * (memory - psutil.Process().memory_info().rss))


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
