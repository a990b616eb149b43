"""One real MNIST digit under a one-parameter transformation: image manifolds whose coordinate is known."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import numpy as np

from datasets.base import Array, Data
from datasets.idx import MNIST, Source

Interpolation = Literal["bilinear", "nearest"]

# Finer steps between the training images are held out: where a method has the right order, it has it there too.
_FINER = 4


class TransformedDigit:
    """A digit transformed by each of n evenly spaced amounts; finer amounts between them are held out.

    Subclasses give the amounts as `amounts(n)` and the transformation as `warp(image, amount)`.
    `intrinsic` holds the amount (degrees or pixels).
    """

    def __init__(
        self, n: int, digit: int = 3, source: Source = "t10k", interpolation: Interpolation = "bilinear"
    ) -> None:
        self.n = n
        self.digit = digit
        self.source = source
        self.interpolation = interpolation

    @property
    def _order(self) -> int:
        """Of the spline that pixels are interpolated by."""
        if self.interpolation not in ("bilinear", "nearest"):
            raise ValueError(f"interpolation must be 'bilinear' or 'nearest', got {self.interpolation!r}")
        return 1 if self.interpolation == "bilinear" else 0

    @abstractmethod
    def amounts(self, n: int) -> Array:
        """n evenly spaced amounts."""

    @abstractmethod
    def warp(self, image: Array, amount: float) -> Array:
        """The transformed image (28, 28)."""

    def load(self) -> Data:
        if self.n < 4:
            raise ValueError(f"n must be at least 4, got {self.n}")
        image = self._image()
        amounts = self.amounts(_FINER * self.n)[: _FINER * (self.n - 1) + 1]
        X = np.stack([self.warp(image, amount).ravel() for amount in amounts])
        rows = np.arange(len(amounts))
        return Data(
            np.clip(X, 0, 1),
            intrinsic=amounts[:, None],
            sample_shape=(1, *image.shape),
            train=rows[rows % _FINER == 0],
            validation=rows[rows % _FINER == _FINER // 2],
            test=rows[rows % 2 == 1],
        )

    def _image(self) -> Array:
        """The first such digit of the file."""
        data = MNIST(self.source, digits=[self.digit]).load()
        return data.X[0].reshape(28, 28).astype(np.float64)


class RotatedDigit(TransformedDigit):
    """A '3' turned in steps of 180 / n degrees from 0 to below 180.

    Source: the rotated-MNIST experiment of Lee, Kwon and Park, NRAE, NeurIPS 2021: 100 images, there with
    nearest-neighbour interpolation and a '3' of the training file.
    """

    def __init__(
        self, n: int = 100, digit: int = 3, source: Source = "t10k", interpolation: Interpolation = "bilinear"
    ) -> None:
        super().__init__(n, digit, source, interpolation)

    def amounts(self, n: int) -> Array:
        return 180 * np.arange(n) / n

    def warp(self, image: Array, amount: float) -> Array:
        from scipy.ndimage import rotate

        return rotate(image, amount, reshape=False, order=self._order)


class ShiftedDigit(TransformedDigit):
    """A '3' at 0.7 of its size, shifted sideways from -10 to below +10 pixels.

    Source: the shifted-MNIST experiment of Lee, Kwon and Park, NRAE, NeurIPS 2021: 20 images, there with
    nearest-neighbour interpolation and a '3' of the training file.
    """

    def __init__(
        self, n: int = 20, digit: int = 3, source: Source = "t10k", interpolation: Interpolation = "bilinear"
    ) -> None:
        super().__init__(n, digit, source, interpolation)

    def amounts(self, n: int) -> Array:
        return -10 + 20 * np.arange(n) / n

    def warp(self, image: Array, amount: float) -> Array:
        from scipy.ndimage import affine_transform

        scale = np.array([1 / 0.7, 1 / 0.7])
        centre = (np.array(image.shape) - 1) / 2
        shift = np.array([0, amount])
        return affine_transform(image, scale, offset=centre - scale * (centre + shift), order=self._order)
