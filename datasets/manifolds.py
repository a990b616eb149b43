"""Synthetic surfaces whose geodesic distances are known exactly."""

from __future__ import annotations

import numpy as np

from datasets.base import Array, Data, Geodesic, sampler


class SwissRoll:
    """A rectangle rolled up in space: (t cos t, h, t sin t), t in [1.5 pi, 4.5 pi], h in [0, 21].

    Sampled uniformly in t and h. `intrinsic` holds the arc length s(t) and h, in which geodesics are
    straight: an exact isometry onto a rectangle of 89.4 x 21.

    Source: Tenenbaum, de Silva and Langford 2000; arc length of the Archimedean spiral.
    """

    def __init__(self, n: int = 2000, noise: float = 0.0, random_state: int = 0) -> None:
        self.n = n
        self.noise = noise
        self.random_state = random_state

    def load(self) -> Data:
        rng = sampler(self.n, self.random_state, self.noise)
        X, flat = rolled_up(rng.random(self.n), rng.random(self.n))
        return Data(X + self.noise * rng.standard_normal(X.shape), intrinsic=flat, geodesic=_straight(flat))


class SCurve:
    """A rectangle bent to an S: (sin t, h, sign(t) (cos t - 1)), t in [-1.5 pi, 1.5 pi], h in [0, 2].

    The curve has unit speed, so `intrinsic` = (t, h) is an exact isometry.

    Source: scikit-learn's `make_s_curve`.
    """

    def __init__(self, n: int = 2000, noise: float = 0.0, random_state: int = 0) -> None:
        self.n = n
        self.noise = noise
        self.random_state = random_state

    def load(self) -> Data:
        rng = sampler(self.n, self.random_state, self.noise)
        t = 3 * np.pi * (rng.random(self.n) - 0.5)
        h = 2 * rng.random(self.n)
        X = np.column_stack([np.sin(t), h, np.sign(t) * (np.cos(t) - 1)])
        flat = np.column_stack([t, h])
        return Data(X + self.noise * rng.standard_normal(X.shape), intrinsic=flat, geodesic=_straight(flat))


class SphereCap:
    """The cap of a sphere around its pole, sampled uniformly by area.

    `angle` (radians) is the cap's half-opening. Up to pi/2 the cap is geodesically convex, so that
    great-circle distances are its exact geodesics. Curved, hence isometric to no plane: every
    two-dimensional embedding has a positive floor of distortion. `intrinsic` holds the azimuthal
    equidistant coordinates (radius * colatitude, in the direction of the longitude).
    """

    def __init__(
        self,
        n: int = 2000,
        angle: float = np.pi / 3,
        radius: float = 1.0,
        noise: float = 0.0,
        random_state: int = 0,
    ) -> None:
        self.n = n
        self.angle = angle
        self.radius = radius
        self.noise = noise
        self.random_state = random_state

    def load(self) -> Data:
        if not 0 < self.angle <= np.pi / 2:
            raise ValueError(f"angle must lie in (0, pi/2] for exact geodesics, got {self.angle}")
        if self.radius <= 0:
            raise ValueError(f"radius must be positive, got {self.radius}")
        rng = sampler(self.n, self.random_state, self.noise)
        height = 1 - (1 - np.cos(self.angle)) * rng.random(self.n)
        longitude = 2 * np.pi * rng.random(self.n)
        colatitude = np.arccos(height)
        direction = np.column_stack([np.cos(longitude), np.sin(longitude)])
        unit = np.column_stack([np.sin(colatitude)[:, None] * direction, height])
        X = self.radius * unit
        return Data(
            X + self.noise * rng.standard_normal(X.shape),
            intrinsic=self.radius * colatitude[:, None] * direction,
            geodesic=great_circle(unit, self.radius),
        )


class Torus:
    """The flat torus in four dimensions: (R cos u, R sin u, r cos v, r sin v), u and v uniform in [0, 2 pi).

    Flat everywhere, so that `intrinsic` = (R u, r v) is a local isometry; but closed in both directions, so that
    every two-dimensional embedding must tear it. Geodesics are straight in (R u, r v), taken around the shorter
    way in each.
    """

    def __init__(
        self,
        n: int = 2000,
        major: float = 1.0,
        minor: float = 1.0,
        noise: float = 0.0,
        random_state: int = 0,
    ) -> None:
        self.n = n
        self.major = major
        self.minor = minor
        self.noise = noise
        self.random_state = random_state

    def load(self) -> Data:
        radii = np.array([self.major, self.minor])
        if not (radii > 0).all():
            raise ValueError(f"major and minor must be positive, got {self.major} and {self.minor}")
        rng = sampler(self.n, self.random_state, self.noise)
        angles = 2 * np.pi * rng.random((self.n, 2))
        circles = radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        X = circles.reshape(self.n, 4)
        flat = radii * angles
        return Data(
            X + self.noise * rng.standard_normal(X.shape),
            intrinsic=flat,
            geodesic=_straight_around(flat, 2 * np.pi * radii),
        )


def rolled_up(u: Array, v: Array) -> tuple[Array, Array]:
    """Points of the Swiss roll (n, 3) from numbers in [0, 1], and where they are on the flat rectangle (n, 2)."""
    t = 1.5 * np.pi * (1 + 2 * u)
    h = 21 * v
    X = np.column_stack([t * np.cos(t), h, t * np.sin(t)])
    return X, np.column_stack([(t * np.sqrt(1 + t**2) + np.arcsinh(t)) / 2, h])


def _straight(flat: Array) -> Geodesic:
    return lambda i, j: np.linalg.norm(flat[i] - flat[j], axis=-1)


def _straight_around(flat: Array, periods: Array) -> Geodesic:
    """Straight lines in coordinates that close after their periods."""

    def geodesic(i: Array, j: Array) -> Array:
        apart = np.abs(flat[i] - flat[j])
        return np.linalg.norm(np.minimum(apart, periods - apart), axis=-1)

    return geodesic


def great_circle(unit: Array, radius: float) -> Geodesic:
    """Distances along the sphere with this radius between points given by unit vectors (n, 3)."""
    # 2 asin(chord / 2) stays exact for near points, where acos of the inner product loses all digits.
    return lambda i, j: 2 * radius * np.arcsin(np.clip(np.linalg.norm(unit[i] - unit[j], axis=-1) / 2, 0.0, 1.0))
