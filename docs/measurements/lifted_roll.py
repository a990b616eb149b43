"""A Swiss roll lifted to 784 features: as large as people's images, with a test split of any size."""

from __future__ import annotations

import numpy as np

from datasets.base import Data
from datasets.manifolds import SwissRoll


class LiftedRoll:
    """Swiss roll, each coordinate spread over `n_features` by a fixed random rotation, with a little noise in all."""

    def __init__(self, n_train: int = 2_000, n_test: int = 10_000, n_features: int = 784) -> None:
        self.n_train, self.n_test, self.n_features = n_train, n_test, n_features

    def load(self) -> Data:
        roll = SwissRoll(n=self.n_train + self.n_test).load()
        rng = np.random.default_rng(0)
        lift, _ = np.linalg.qr(rng.standard_normal((self.n_features, 3)))
        X = roll.X @ lift.T + 0.01 * rng.standard_normal((len(roll.X), self.n_features))
        held_out, rows = self.n_train // 10, np.arange(len(X))
        return Data(
            X.astype(np.float32), intrinsic=roll.intrinsic, train=rows[held_out : self.n_train],
            validation=rows[:held_out], test=rows[self.n_train :],
        )  # fmt: skip
