"""Photographs of faces."""

from __future__ import annotations

import numpy as np

from datasets.base import Data
from datasets.files import cache_folder, data_folder


class Olivetti:
    """400 photographs of 40 people, 64 x 64, pixels in [0, 1]; labels are the identities.

    `faces` is the same at half the size.

    Source: AT&T Laboratories Cambridge, 1992-1994, by scikit-learn's `fetch_olivetti_faces`.
    """

    def load(self) -> Data:
        from sklearn.datasets import fetch_olivetti_faces

        folder = data_folder()
        home = folder / "sklearn" if folder is not None else cache_folder() / "sklearn"
        try:
            faces = fetch_olivetti_faces(data_home=home)
        except OSError as error:
            raise FileNotFoundError(f"Olivetti faces are not in {home} and could not be downloaded: {error}") from error
        return Data(faces.data, y=faces.target.astype(np.int64), sample_shape=(1, 64, 64))


class Faces:
    """The photographs of `olivetti`, averaged down to `size` pixels a side (a divisor of 64).

    Source: AT&T Laboratories Cambridge, 1992-1994, by scikit-learn's `fetch_olivetti_faces`.
    """

    def __init__(self, size: int = 32) -> None:
        self.size = size

    def load(self) -> Data:
        if self.size < 1 or 64 % self.size:
            raise ValueError(f"size must divide 64, got {self.size}")
        whole = Olivetti().load()
        part = 64 // self.size
        images = whole.X.reshape(-1, self.size, part, self.size, part).mean((2, 4))
        return Data(images.reshape(len(images), -1), y=whole.y, sample_shape=(1, self.size, self.size))
