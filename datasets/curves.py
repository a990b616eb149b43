"""Noisy samples of plane curves, with the clean curve as test set.

Training, validation and test points come from one parametrisation t in [0, 1]: a noisy training set, a noisy
validation set halfway between its points, and 1,000 clean test points in order along the curve. `intrinsic` holds
the arc length from the curve's beginning.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from datasets.base import Array, Data, Geodesic, sampler

N_TEST = 1_000
_DENSE = 20_001


class PlaneCurve:
    """A curve in the plane, sampled evenly in its parameter, with noise in both coordinates.

    Subclasses give the curve as `points(t)`, t (n,) in [0, 1] -> (n, 2).
    """

    closed = False

    def __init__(self, n: int, noise: float, random_state: int = 0) -> None:
        self.n = n
        self.noise = noise
        self.random_state = random_state

    @abstractmethod
    def points(self, t: Array) -> Array:
        """The clean curve."""

    def load(self) -> Data:
        rng = sampler(self.n, self.random_state, self.noise)
        train = self._parameters(self.n)
        # Between the training points, so that validation asks for what lies between them.
        validation = train + (train[1] - train[0]) / 2 if self.closed else (train[:-1] + train[1:]) / 2
        test = self._parameters(N_TEST)
        noisy = [self.points(t) + self.noise * rng.standard_normal((len(t), 2)) for t in (train, validation)]
        t = np.concatenate([train, validation, test])
        arc, length = self._arc_length(t)
        places = np.split(np.arange(len(t)), np.cumsum([len(train), len(validation)]))
        return Data(
            np.concatenate([*noisy, self.points(test)]),
            intrinsic=arc[:, None],
            train=places[0],
            validation=places[1],
            test=places[2],
            geodesic=_along(arc, length if self.closed else None),
        )

    def _parameters(self, n: int) -> Array:
        return np.linspace(0, 1, n, endpoint=not self.closed)

    def _arc_length(self, t: Array) -> tuple[Array, float]:
        """Arc length from the beginning to each parameter, and that of the whole curve."""
        dense = np.linspace(0, 1, _DENSE)
        arc = np.append(0, np.linalg.norm(np.diff(self.points(dense), axis=0), axis=1).cumsum())
        return np.interp(t, dense, arc), float(arc[-1])


class SinCurve(PlaneCurve):
    """One period of a sine: (x, sin x), x in [-pi, pi]. Noise blurs both coordinates.

    Source: the denoising experiment of Lee, Kwon and Park, NRAE, NeurIPS 2021: 50 points, noise 0.3.
    """

    def __init__(self, n: int = 50, noise: float = 0.3, random_state: int = 0) -> None:
        super().__init__(n, noise, random_state)

    def points(self, t: Array) -> Array:
        x = np.pi * (2 * t - 1)
        return np.column_stack([x, np.sin(x)])


class Spiral(PlaneCurve):
    """One turn of a flattened spiral: (r cos a, 0.6 r sin a), r = 0.1 + 2.9 t, a = 2 pi t.

    The published code divides by N for the angle and by N - 1 for the radius, so that its training points lie
    0.04 off its own ground truth; here both follow one t.

    Source: the geometry-preserving experiment of Lee, Kwon and Park, NRAE, NeurIPS 2021: 30 points, noise 0.01.
    """

    def __init__(self, n: int = 30, noise: float = 0.01, random_state: int = 0) -> None:
        super().__init__(n, noise, random_state)

    def points(self, t: Array) -> Array:
        radius, angle = 0.1 + 2.9 * t, 2 * np.pi * t
        return np.column_stack([radius * np.cos(angle), 0.6 * radius * np.sin(angle)])


class Circle(PlaneCurve):
    """A circle: a closed curve, whose geodesics follow the ring and do not cross the hole.

    Source: the sanity check of decoder ensembles' geodesics, about 100 points at radius 1.3.
    """

    closed = True

    def __init__(self, n: int = 100, radius: float = 1.3, noise: float = 0.05, random_state: int = 0) -> None:
        super().__init__(n, noise, random_state)
        self.radius = radius

    def points(self, t: Array) -> Array:
        if self.radius <= 0:
            raise ValueError(f"radius must be positive, got {self.radius}")
        angle = 2 * np.pi * t
        return self.radius * np.column_stack([np.cos(angle), np.sin(angle)])


def _along(arc: Array, period: float | None) -> Geodesic:
    def geodesic(i: Array, j: Array) -> Array:
        apart = np.abs(arc[i] - arc[j])
        return apart if period is None else np.minimum(apart, period - apart)

    return geodesic
