"""A solid object that turns before a camera: one angle makes all images."""

from __future__ import annotations

import numpy as np

from datasets.base import Array, Data, sampler

_SIDE = 32
# Rays along each side of a pixel.
_FINE = 2
# Ellipsoids that the object is made of: centre, half-axes, and tilt in the plane of x and z (radians).
_PARTS: tuple[tuple[tuple[float, float, float], tuple[float, float, float], float], ...] = (
    ((0.0, 0.0, 0.0), (0.55, 0.55, 0.42), 0.0),
    ((0.0, 0.0, 0.45), (0.12, 0.12, 0.10), 0.0),
    ((0.62, 0.0, 0.10), (0.34, 0.09, 0.09), -0.7),
    ((-0.60, 0.0, 0.22), (0.22, 0.06, 0.06), 0.2),
    ((-0.80, 0.0, 0.05), (0.06, 0.06, 0.20), 0.0),
    ((-0.62, 0.0, -0.14), (0.20, 0.06, 0.06), -0.5),
)
_LIGHT = np.array([-0.5, 0.4, 0.77])


class RotatingObject:
    """A pot with spout and handle, turned once around its upright axis in n steps: 32 x 32, shades of grey in [0, 1].

    The images lie on a closed curve. `intrinsic` holds cosine and sine of the angle. Training, validation and test
    rows are drawn at random, as of any data set.

    Source: after the rotating teapot of Weinberger and Saul 2004, made of ellipsoids and drawn here.
    """

    def __init__(self, n: int = 400, random_state: int = 0) -> None:
        self.n = n
        self.random_state = random_state

    def load(self) -> Data:
        angles = sampler(self.n, self.random_state).permutation(2 * np.pi * np.arange(self.n) / self.n)
        X = np.stack([_image(angle) for angle in angles])
        circle = np.column_stack([np.cos(angles), np.sin(angles)])
        return Data(X.reshape(self.n, -1), intrinsic=circle, sample_shape=(1, _SIDE, _SIDE))


def _image(angle: float) -> Array:
    """The object turned by an angle, seen along y, lit from the upper left: shades (32, 32)."""
    n = _SIDE * _FINE
    at = 1.15 * ((np.arange(n) + 0.5) * 2 / n - 1)
    x, z = np.meshgrid(at, -at)
    nearest = np.full(x.shape, np.inf)
    shade = np.zeros(x.shape)
    turn = _rotation(angle, (0, 1))
    for centre, half_axes, tilt in _PARTS:
        # In the part's own axes it is a unit sphere.
        into = np.diag(1 / np.array(half_axes)) @ _rotation(tilt, (0, 2)).T @ turn.T
        origin = np.stack([x, np.zeros_like(x), z], axis=-1) - turn @ np.array(centre)
        o, d = origin @ into.T, into @ np.array([0.0, 1.0, 0.0])
        b, c = o @ d, (o**2).sum(-1) - 1
        inner = b**2 - (d @ d) * c
        depth = np.where(inner > 0, (-b - np.sqrt(np.maximum(inner, 0))) / (d @ d), np.inf)
        in_front = depth < nearest
        normal = (o + np.where(in_front, depth, 0)[..., None] * d) @ into
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        lit = 0.25 + 0.75 * np.clip(normal @ (_LIGHT * [1, -1, 1]), 0, 1)
        shade, nearest = np.where(in_front, lit, shade), np.where(in_front, depth, nearest)
    return shade.reshape(_SIDE, _FINE, _SIDE, _FINE).mean((1, 3))


def _rotation(angle: float, plane: tuple[int, int]) -> Array:
    """The rotation by an angle in a coordinate plane of space."""
    R = np.eye(3)
    i, j = plane
    R[i, i] = R[j, j] = np.cos(angle)
    R[i, j], R[j, i] = -np.sin(angle), np.sin(angle)
    return R
