"""Neighbourhood preservation at all scales at once, from the ranks in both spaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metrics.neighbors import NeighbourhoodCounts
from metrics.products import Points
from metrics.ranks import RankTally, rank_blocks
from metrics.reference import Reference, reference_of

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class CoRanking:
    """Every rank-based score of an embedding, for every size K of neighbourhoods at once.

    Curves are (n - 2,), for K = 1 ... n - 2; those with a scale that has no meaning beyond K = n / 2 are NaN there.

    Source: Lee and Verleysen, Quality assessment of dimensionality reduction: rank-based criteria, 2009.
    """

    tally: RankTally
    n_rows: int

    @property
    def n(self) -> int:
        return self.tally.n

    @property
    def K(self) -> Array:
        return np.arange(1, self.n - 1)

    @cached_property
    def kept(self) -> Array:
        """Q_NX(K), `metrics.neighbors.knn_preservation`: [0, 1], chance K / (n - 1)."""
        found: Array = np.cumsum(self.tally.later[1:])[: self.n - 2] / (self.n_rows * self.K)
        return found

    @cached_property
    def beyond_chance(self) -> Array:
        """R_NX(K) = ((n - 1) Q_NX(K) - K) / (n - 1 - K): at most 1, chance 0."""
        found: Array = ((self.n - 1) * self.kept - self.K) / (self.n - 1 - self.K)
        return found

    @cached_property
    def local_continuity(self) -> Array:
        """LCMC(K) = Q_NX(K) - K / (n - 1): chance 0, at most 1 - K / (n - 1)."""
        found: Array = self.kept - self.K / (self.n - 1)
        return found

    @cached_property
    def trustworthiness(self) -> Array:
        """`metrics.neighbors.trustworthiness` for every K below n / 2."""
        return self._beyond(self.tally.intrusions)

    @cached_property
    def continuity(self) -> Array:
        """`metrics.neighbors.continuity` for every K below n / 2."""
        return self._beyond(self.tally.extrusions)

    @cached_property
    def false_error(self) -> Array:
        """Mean relative rank error of neighbours in Z, [0, 1], lower is better."""
        return self._relative_error(self.tally.false)

    @cached_property
    def missing_error(self) -> Array:
        """Mean relative rank error of neighbours in X, [0, 1], lower is better."""
        return self._relative_error(self.tally.missing)

    @property
    def auc_log_rnx(self) -> float:
        """`auc_log_rnx`."""
        weights = 1 / self.K
        return float(self.beyond_chance @ weights / weights.sum())

    def counts(self, k: int) -> NeighbourhoodCounts:
        """By point, for one of the sizes that were counted so."""
        at, tally = self.tally.ks.index(k), self.tally
        return NeighbourhoodCounts(
            k, self.n, tally.shared[:, at], tally.intruding[:, at], tally.extruding[:, at]
        )  # fmt: skip

    def relative_errors(self, k: int) -> tuple[Array, Array]:
        """Relative rank errors by point (rows,), of neighbours in Z and in X, for one of the sizes counted so."""
        at, worst = self.tally.ks.index(k), self._worst_error[k - 1]
        return self.tally.falsely[:, at] / worst, self.tally.missed[:, at] / worst

    @property
    def rank_correlations(self) -> Array:
        """Spearman's of the ranks of all other points in both spaces, by point (rows,): [-1, 1], chance 0."""
        others = self.n - 1
        found: Array = 1 - 6 * self.tally.squares / (others * (others**2 - 1))
        return found

    @property
    def _worst_error(self) -> Array:
        """Of one point, for K = 1 ... n - 1: what the relative errors of its K neighbours can come to at most."""
        ranks = np.arange(1, self.n)
        found: Array = np.cumsum(np.abs(self.n - 2 * ranks + 1) / ranks)
        return found

    def _beyond(self, differences: Array) -> Array:
        count, ranks = np.cumsum(differences, axis=0)[1 : self.n - 1].T
        n, K = self.n, self.K
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = 1 - 2.0 / (self.n_rows * K * (2 * n - 3 * K - 1)) * (ranks - K * count)
        return np.where(n / 2 > K, scores, np.nan)

    def _relative_error(self, sums: Array) -> Array:
        summed = np.cumsum(sums[1:] / np.arange(1, self.n))
        found: Array = (summed / (self._worst_error * self.n_rows))[: self.n - 2]
        return found


def coranking(X: Points | Reference, Z: Points, ks: Sequence[int] = ()) -> CoRanking:
    """Compare the ranks of all pairs in both spaces, in one pass.

    Ranks are exact, ties go to the smaller row number; memory is a block of rows.

    Args:
        X: points (n, n_features), n > 2, or what is known of them already.
        Z: their embedding (n, d).
        ks: sizes of neighbourhoods to count by point too, each below n / 2.

    Raises:
        ValueError: X and Z differ in length or hold values that are not finite, n < 3, or a k is out of range.
    """
    reference, Z = reference_of(X, Z)
    n = reference.n
    ks = sorted(set(ks))
    for k in ks:
        if not 1 <= k < n / 2:
            raise ValueError(f"k must lie between 1 and n / 2 = {n / 2:g}, got {k}")
    tally = RankTally(reference.n_rows, n, ks)
    for (rows, in_z), (_, in_x) in zip(rank_blocks(Z, reference.rows), reference.rank_blocks(), strict=True):
        tally.add(rows, in_x, in_z)
    return CoRanking(tally, reference.n_rows)


def preservation_curve(X: Points | Reference, Z: Points) -> Array:
    """R_NX(K) for K = 1 ... n - 2: how much better than chance neighbourhoods of K points are kept.

    R_NX(K) = ((n - 1) Q_NX(K) - K) / (n - 1 - K), Q_NX being `metrics.neighbors.knn_preservation`.

    Args:
        X: points (n, n_features), n > 2, or what is known of them already. Z: their embedding (n, d).

    Returns:
        (n - 2,), each at most 1, higher is better: 1 where all neighbourhoods are kept, about 0 for a random embedding.

    Raises:
        ValueError: X and Z differ in length or hold values that are not finite, or n < 3.

    Source: Lee, Renard, Bernard, Dupont and Verleysen 2013, Neurocomputing 112.
    """
    return coranking(X, Z).beyond_chance


def auc_log_rnx(X: Points | Reference, Z: Points) -> float:
    """Area under R_NX(K) over a logarithmic axis of K: all scales, the small ones weighing most.

    Args:
        X: points (n, n_features), n > 2, or what is known of them already. Z: their embedding (n, d).

    Returns:
        At most 1, higher is better: 1 where all neighbourhoods are kept, about 0 for a random embedding.

    Source: Lee, Peluffo-Ordonez and Verleysen 2015, Neurocomputing 169: sum R_NX(K) / K over sum 1 / K.
    """
    return coranking(X, Z).auc_log_rnx
