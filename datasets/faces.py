"""Photographs of faces."""

from __future__ import annotations

import numpy as np

from datasets.base import Data
from datasets.files import cache_folder, data_folder


class Olivetti:
    """400 photographs of 40 people, 64 x 64, pixels in [0, 1]; labels are the identities.

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
