"""CIFAR-10, read where its files are."""

from __future__ import annotations

from typing import Any

import numpy as np

from datasets.base import Data, choose_rows
from datasets.files import given_folder


class CIFAR10:
    """60,000 photographs of 10 kinds of things, 32 x 32 in colour, channels first, values in [0, 1].

    Reads the binary version, data_batch_1.bin to data_batch_5.bin and test_batch.bin, from the folder cifar10 of the
    data folder; the official test images are the test rows. `n` draws so many of all images once, and then splits at
    random. The Python version is not read: its files are pickles.

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """

    def __init__(self, n: int | None = None) -> None:
        self.n = n

    def load(self) -> Data:
        wanted = [*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]
        folder = given_folder("cifar10", f"{wanted[0]} to {wanted[-1]} (cifar-10-binary.tar.gz, University of Toronto)")
        parts = []
        for name in wanted:
            path = next(folder.rglob(name), None)
            if path is None:
                raise FileNotFoundError(f"{folder} holds no {name} (cifar-10-binary.tar.gz)")
            content = np.fromfile(path, dtype=np.uint8)
            if content.size % 3073:
                raise ValueError(f"{path}: {content.size} bytes are no whole number of images of 3,073")
            parts.append(content.reshape(-1, 3073))
        rows, n_test = np.concatenate(parts), len(parts[-1])
        chosen = choose_rows(len(rows), self.n)
        split: dict[str, Any] = {}
        if self.n is None:
            order = np.random.default_rng(0).permutation(len(rows) - n_test)
            cut = len(order) // 10
            split = {
                "train": np.sort(order[cut:]),
                "validation": np.sort(order[:cut]),
                "test": np.arange(len(order), len(rows)),
            }
        X = rows[chosen, 1:].astype(np.float32) / 255
        return Data(X, y=rows[chosen, 0].astype(np.int64), sample_shape=(3, 32, 32), **split)
