"""Random streams: one seed per model, and from it one independent stream for each named purpose."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def stream_seed(seed: int, name: str) -> int:
    """The seed of the stream `name` of a model with this seed, in [0, 2^63)."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class Streams:
    """The named random streams of S models.

    Each model draws from generators of its own, on the CPU: what it gets depends neither on the models
    beside it nor on the device.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self.seeds = list(seeds)
        self.device = device
        self._generators: dict[str, list[torch.Generator]] = {}

    def keep(self, positions: Sequence[int]) -> None:
        """Go on with these models only."""
        self.seeds = [self.seeds[p] for p in positions]
        for name, generators in self._generators.items():
            self._generators[name] = [generators[p] for p in positions]

    def generators(self, name: str) -> list[torch.Generator]:
        if name not in self._generators:
            self._generators[name] = [torch.Generator().manual_seed(stream_seed(seed, name)) for seed in self.seeds]
        return self._generators[name]

    def permutation(self, name: str, n: int) -> Tensor:
        """Row orders (S, n)."""
        return self._stack([torch.randperm(n, generator=g) for g in self.generators(name)])

    def normal(self, name: str, *shape: int) -> Tensor:
        """Standard normal numbers (S, *shape)."""
        return self._stack([torch.randn(shape, generator=g) for g in self.generators(name)])

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Numbers in [0, 1) (S, *shape)."""
        return self._stack([torch.rand(shape, generator=g) for g in self.generators(name)])

    def _stack(self, drawn: list[Tensor]) -> Tensor:
        return torch.stack(drawn).to(self.device)
