"""Spheres that are cut open, and spheres within a sphere."""

from __future__ import annotations

import numpy as np

from datasets.base import Data, sampler


class SeveredSphere:
    """A sphere without its poles and without a slice: it can be unrolled, though not without distortion.

    Longitudes from 0 to 2 pi - 0.55, colatitudes between pi / 8 and 7 pi / 8, sampled uniformly in both angles.
    `intrinsic` holds the two angles. No geodesics: the region is not convex, and great circles leave it.

    Source: scikit-learn's example of manifold learning on a severed sphere.
    """

    def __init__(self, n: int = 2000, noise: float = 0.0, random_state: int = 0) -> None:
        self.n = n
        self.noise = noise
        self.random_state = random_state

    def load(self) -> Data:
        rng = sampler(self.n, self.random_state, self.noise)
        longitude = (2 * np.pi - 0.55) * rng.random(self.n)
        colatitude = np.pi / 8 + 0.75 * np.pi * rng.random(self.n)
        X = np.column_stack([
            np.sin(colatitude) * np.cos(longitude), np.sin(colatitude) * np.sin(longitude), np.cos(colatitude)
        ])  # fmt: skip
        X += self.noise * rng.standard_normal(X.shape)
        return Data(X, intrinsic=np.column_stack([longitude, colatitude]))


class NestedSpheres:
    """Small spheres within a large one, all of dimension `dim` in dim + 1 features: nesting that a plane cannot show.

    `n_inner` spheres of radius 5 around centres drawn from N(0, (10 / sqrt(dim + 1))^2), n points on each, and as many
    on a sphere of radius 25 around all of them as on the small ones together, uniformly. Labels are the spheres, the
    large one last.

    Source: the SPHERES data of Moor, Horn, Rieck and Borgwardt, Topological autoencoders, ICML 2020: ten spheres of
    dimension 100 with 500 points each.
    """

    def __init__(self, n: int = 200, n_inner: int = 10, dim: int = 100, random_state: int = 0) -> None:
        self.n = n
        self.n_inner = n_inner
        self.dim = dim
        self.random_state = random_state

    def load(self) -> Data:
        for name in ("n", "n_inner", "dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        rng = np.random.default_rng(self.random_state)
        n_inner = self.n * self.n_inner
        directions = rng.standard_normal((2 * n_inner, self.dim + 1))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        centres = 10 / np.sqrt(self.dim + 1) * rng.standard_normal((self.n_inner, self.dim + 1))
        y = np.append(np.repeat(np.arange(self.n_inner), self.n), np.full(n_inner, self.n_inner))
        X = np.where((y < self.n_inner)[:, None], 5.0, 25.0) * directions
        X[:n_inner] += centres[y[:n_inner]]
        return Data(X, y=y)
