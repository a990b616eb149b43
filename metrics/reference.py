"""What belongs to the data alone when their embeddings are scored: computed once, for all embeddings of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from metrics.density import densities
from metrics.pairs import Pairs, distance_ranks
from metrics.products import Points, points_of
from metrics.ranks import rank_blocks

Array = np.ndarray

# Scored of more points than are scored all.
QUERY_POINTS = 2_000


@dataclass(eq=False)
class Reference:
    """Points that embeddings are compared with.

    Attributes:
        X: points (n, n_features).
        rows: sorted row numbers of the query points that are scored, against all n; None where all are.
        ranks: (rows, n), the rank of each point among the neighbours of each scored one (`metrics.ranks`), where they
            have been counted before; else they are counted block by block, each time they are asked for.
        pair_distances: (pairs,), the distances of the `pairs`, where they have been computed before, as with `ranks`.
    """

    X: Points
    rows: Array | None = None
    ranks: Array | None = field(default=None, repr=False)
    pair_distances: Array | None = field(default=None, repr=False)
    _found: dict[object, Array] = field(default_factory=dict, repr=False)

    @classmethod
    def sampled(cls, X: Points, exact_up_to: int) -> Reference:
        """All points, or of more than so many query points that are drawn by a fixed seed, against all."""
        if len(X) <= exact_up_to:
            return cls(X)
        return cls(X, np.sort(np.random.default_rng(0).choice(len(X), min(QUERY_POINTS, len(X)), replace=False)))

    @property
    def n(self) -> int:
        return len(self.X)

    @property
    def n_rows(self) -> int:
        return self.n if self.rows is None else len(self.rows)

    @cached_property
    def points(self) -> Points:
        """X in double precision, near the origin, where X is."""
        return points_of(self.X)

    @cached_property
    def pairs(self) -> Pairs:
        """The pairs whose distances are compared."""
        return Pairs.of(self.n, self.rows)

    @cached_property
    def distance_ranks(self) -> Array:
        """`metrics.pairs.distance_ranks` of these pairs, uint32."""
        return distance_ranks(self.distances(), self.pairs)

    def distances(self) -> Iterator[Array]:
        """`Pairs.distances` of these points."""
        known = self.pair_distances
        return self.pairs.distances(self.points) if known is None else self.pairs.in_blocks(known)

    def densities(self, sigma: float) -> Array:
        """`metrics.density.densities` of these points."""
        return self._once(("densities", sigma), lambda: densities(self.points, self.pairs, sigma))

    def of_labels(self, y: Array, score: Callable[[Points, Array, Array | None], Array]) -> Array:
        """`score(points, labels, rows)` of the points themselves, which is asked for with each embedding of them."""
        return self._once((score.__name__, y.tobytes()), lambda: score(self.points, y, self.rows))

    def _once(self, what: object, compute: Callable[[], Array]) -> Array:
        if what not in self._found:
            self._found[what] = compute()
        return self._found[what]

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


def reference_of(X: Points | Reference, Z: Points) -> tuple[Reference, Points]:
    """What is known of X, and Z as points.

    Raises:
        ValueError: they differ in length, hold values that are not finite, or fewer than 3 points.
    """
    reference = X if isinstance(X, Reference) else Reference(X)
    if len(Z) != reference.n or reference.n < 3:
        raise ValueError(f"X and Z need the same number of rows, at least 3; got {reference.n} and {len(Z)}")
    return reference, points_of(Z)


def warm_up() -> None:
    """Compile the kernels, so that no score is charged for it."""
    from metrics import coranking, distances, neighbors, sorting
    from metrics.pairs import pair_sums

    points = np.arange(16.0).reshape(8, 2)
    neighbors.neighbourhood_scores(points, points, 2)
    neighbors.nearest_neighbours(points, 2)
    reference = Reference(points)
    coranking.coranking(reference, points, [2])
    for rows in (None, np.arange(2)):
        pair_sums(Pairs.of(8, rows).distances(points), points, Pairs.of(8, rows))
    sorting.sort(np.arange(sorting.FEW))
    distances.distance_spearman(reference, points)
    distances.non_metric_stress(reference, points)
