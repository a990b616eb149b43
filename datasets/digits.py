"""The 1,797 handwritten digits that ship with scikit-learn."""

from __future__ import annotations

import numpy as np

from datasets.base import Data, choose_rows


class Digits:
    """8 x 8 images of digits, intensities 0 to 16, ten classes. `n` draws so many once, by a fixed seed.

    Source: scikit-learn's `load_digits`; Alpaydin and Kaynak 1998 (UCI optical recognition of digits).
    """

    def __init__(self, n: int | None = None) -> None:
        self.n = n

    def load(self) -> Data:
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        rows = choose_rows(len(X), self.n)
        return Data(X[rows], y=y[rows].astype(np.int64), sample_shape=(1, 8, 8))
