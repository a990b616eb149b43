"""Images of simple shapes whose factors of variation are known."""

from __future__ import annotations

import numpy as np

from datasets.base import Array, Data, sampler

SHAPES = ("square", "ellipse", "heart")
_SIDE = 32
# Samples along each side of a pixel.
_FINE = 3


class Sprites:
    """One white shape on black, 32 x 32, pixels in [0, 1]: shape, size, angle and place drawn independently.

    Labels are the shapes: square, ellipse, heart. `intrinsic` holds the factors: half-width (pixels), angle (radians,
    from 0 to the shape's symmetry: pi / 2, pi, 2 pi), and the centre's x and y (pixels from the middle). Edges are
    smoothed by nine samples to a pixel.

    Source: after dSprites (Matthey, Higgins, Hassabis and Lerchner 2017), generated here, smaller and in random order.
    """

    def __init__(self, n: int = 2000, random_state: int = 0) -> None:
        self.n = n
        self.random_state = random_state

    def load(self) -> Data:
        rng = sampler(self.n, self.random_state)
        y = rng.integers(len(SHAPES), size=self.n)
        size = 4 + 3 * rng.random(self.n)
        angle = np.array([np.pi / 2, np.pi, 2 * np.pi])[y] * rng.random(self.n)
        centre = 10 * rng.random((self.n, 2)) - 5
        factors = np.column_stack([size, angle, centre])
        X = np.stack([_draw(shape, row) for shape, row in zip(y, factors, strict=True)])
        return Data(X.reshape(self.n, -1), y=y, intrinsic=factors, sample_shape=(1, _SIDE, _SIDE))


def _draw(shape: int, factors: Array) -> Array:
    """The image (32, 32) of a shape."""
    size, angle, x, y = factors
    at = (np.arange(_SIDE * _FINE) + 0.5) / _FINE - _SIDE / 2
    right, up = np.meshgrid(at - x, at - y)
    u = (np.cos(angle) * right + np.sin(angle) * up) / size
    v = (np.cos(angle) * up - np.sin(angle) * right) / size
    if shape == 0:
        inside = np.maximum(np.abs(u), np.abs(v)) < 0.9
    elif shape == 1:
        inside = u**2 + (2 * v) ** 2 < 1.2
    else:
        u, v = 1.2 * u, -1.2 * v + 0.1
        inside = (u**2 + v**2 - 0.8) ** 3 < u**2 * v**3
    return inside.reshape(_SIDE, _FINE, _SIDE, _FINE).mean((1, 3))
