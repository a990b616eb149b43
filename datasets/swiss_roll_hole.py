"""The Swiss roll with a rectangle cut out of it: flat, but not convex."""

from __future__ import annotations

import numpy as np

from datasets.base import Array, Data, Geodesic, sampler
from datasets.manifolds import rolled_up


class SwissRollHole:
    """The Swiss roll of `swiss_roll` without a rectangle in its middle, which geodesics go around.

    `hole` is the share of length and of width that is cut out. Unrolled, the surface is flat: an isometry onto the
    plane exists (`intrinsic`), but the shortest way between two points may bend around a corner of the hole, so that
    methods that embed geodesic distances, Isomap first, must fail where the straight line is what is right.

    Source: Donoho and Grimes, Hessian eigenmaps, PNAS 2003.
    """

    def __init__(self, n: int = 2000, hole: float = 0.4, noise: float = 0.0, random_state: int = 0) -> None:
        self.n = n
        self.hole = hole
        self.noise = noise
        self.random_state = random_state

    def load(self) -> Data:
        if not 0 < self.hole < 1:
            raise ValueError(f"hole must lie between 0 and 1, got {self.hole}")
        rng = sampler(self.n, self.random_state, self.noise)
        ends = rolled_up(np.array([0.0, 1.0]), np.array([0.0, 1.0]))[1]
        half = self.hole * (ends[1] - ends[0]) / 2
        low, high = ends.mean(0) - half, ends.mean(0) + half
        kept: list[tuple[Array, Array]] = []
        while sum(len(flat) for _, flat in kept) < self.n:
            X, flat = rolled_up(rng.random(self.n), rng.random(self.n))
            outside = ~((flat > low) & (flat < high)).all(1)
            kept.append((X[outside], flat[outside]))
        X, flat = (np.concatenate(part)[: self.n] for part in zip(*kept, strict=True))
        X = X + self.noise * rng.standard_normal(X.shape)
        return Data(X, intrinsic=flat, geodesic=around_rectangle(flat, low, high))


def around_rectangle(flat: Array, low: Array, high: Array) -> Geodesic:
    """Lengths of shortest paths in the plane that do not cross the rectangle from `low` to `high`.

    A path that cannot be straight bends around one corner, or around two that share a side.
    """
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])

    def geodesic(i: Array, j: Array) -> Array:
        a, b = flat[np.asarray(i)], flat[np.asarray(j)]
        straight = np.where(_crosses(a, b, low, high), np.inf, np.linalg.norm(a - b, axis=-1))
        from_a, from_b = (
            [
                np.where(_crosses(ends, corner, low, high), np.inf, np.linalg.norm(ends - corner, axis=-1))
                for corner in corners
            ]
            for ends in (a, b)
        )
        found = [straight, *(first + second for first, second in zip(from_a, from_b, strict=True))]
        for at in range(4):
            after = (at + 1) % 4
            side = np.linalg.norm(corners[at] - corners[after])
            found += [from_a[at] + side + from_b[after], from_a[after] + side + from_b[at]]
        return np.min(found, axis=0)

    return geodesic


def _crosses(a: Array, b: Array, low: Array, high: Array) -> Array:
    """Whether the segments from a to b pass through the inside of the rectangle."""
    step = b - a
    with np.errstate(divide="ignore", invalid="ignore"):
        enter, leave = (low - a) / step, (high - a) / step
    first, last = np.fmin(enter, leave), np.fmax(enter, leave)
    # Along an axis on which nothing changes, a segment is between the sides always or never.
    still = step == 0
    between = (a > low) & (a < high)
    first = np.where(still, np.where(between, -np.inf, np.inf), first)
    last = np.where(still, np.where(between, np.inf, -np.inf), last)
    start, end = np.maximum(first.max(-1), 0), np.minimum(last.min(-1), 1)
    return np.asarray(end - start > 1e-12)
