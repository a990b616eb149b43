"""What belongs to the data alone when their embeddings are scored: computed once, for all embeddings of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from metrics.neighbors import points_of
from metrics.pairs import Pairs, distance_ranks
from metrics.ranks import rank_blocks

Array = np.ndarray


@dataclass(eq=False)
class Reference:
    """Points that embeddings are compared with.

    Attributes:
        X: points (n, n_features).
        rows: sorted row numbers of the query points that are scored, against all n; None where all are.
        ranks: (rows, n), the rank of each point among the neighbours of each scored one (`metrics.ranks`), where they
            have been counted before; else they are counted block by block, each time they are asked for.
    """

    X: Array
    rows: Array | None = None
    ranks: Array | None = field(default=None, repr=False)

    @property
    def n(self) -> int:
        return len(self.X)

    @property
    def n_rows(self) -> int:
        return self.n if self.rows is None else len(self.rows)

    @cached_property
    def points(self) -> Array:
        """X in double precision, near the origin."""
        return points_of(self.X)

    @cached_property
    def pairs(self) -> Pairs:
        """The pairs whose distances are compared."""
        return Pairs.of(self.n, self.rows)

    @cached_property
    def distance_ranks(self) -> Array:
        """`metrics.pairs.distance_ranks` of these pairs, uint32."""
        return distance_ranks(self.points, self.pairs)

    def rank_blocks(self) -> Iterator[tuple[slice, Array]]:
        """`metrics.ranks.rank_blocks` of these points."""
        if self.ranks is None:
            yield from rank_blocks(self.points, self.rows)
            return
        size = max(1, 2_000_000 // self.n)
        for start in range(0, self.n_rows, size):
            yield slice(start, min(start + size, self.n_rows)), self.ranks[start : start + size]

    def count_ranks(self) -> None:
        """Count the ranks once and keep them."""
        if self.ranks is None:
            self.ranks = np.concatenate([ranks for _, ranks in rank_blocks(self.points, self.rows)])


def reference_of(X: Array | Reference, Z: Array) -> tuple[Reference, Array]:
    """What is known of X, and Z as points.

    Raises:
        ValueError: they differ in length, hold values that are not finite, or fewer than 3 points.
    """
    reference = X if isinstance(X, Reference) else Reference(np.asarray(X))
    if len(Z) != reference.n or reference.n < 3:
        raise ValueError(f"X and Z need the same number of rows, at least 3; got {reference.n} and {len(Z)}")
    return reference, points_of(Z)
