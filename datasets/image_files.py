"""Image collections that are read where their files are: COIL-20 and CIFAR-10."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from datasets.base import Data, choose_rows
from datasets.files import VARIABLE, data_folder


class COIL20:
    """20 objects photographed at 72 angles: 1,440 images, shades of grey in [0, 1]; labels are the objects.

    Reads the processed set, obj1__0.png to obj20__71.png, 128 x 128, from the folder coil20 of the data folder; `size`
    averages them down to so many pixels a side (a divisor of 128). `intrinsic` holds cosine and sine of the angle.

    Source: Nene, Nayar and Murase, Columbia Object Image Library (COIL-20), CUCS-005-96.
    """

    def __init__(self, size: int = 32) -> None:
        self.size = size

    def load(self) -> Data:
        from PIL import Image

        if self.size < 1 or 128 % self.size:
            raise ValueError(f"size must divide 128, got {self.size}")
        names = re.compile(r"obj(\d+)__(\d+)\.png")
        folder = _folder("coil20", "obj1__0.png to obj20__71.png (coil-20-proc.zip, Columbia University)")
        named = [(names.fullmatch(path.name), path) for path in folder.rglob("*.png")]
        found = sorted((int(match[1]), int(match[2]), path) for match, path in named if match)
        if not found:
            raise FileNotFoundError(f"{folder} holds no obj1__0.png to obj20__71.png (coil-20-proc.zip)")
        images = np.stack([np.asarray(Image.open(path).convert("L"), dtype=np.float32) for *_, path in found]) / 255
        if images.shape[1:] != (128, 128):
            raise ValueError(f"{folder}: images are {images.shape[1]} x {images.shape[2]}, 128 x 128 is needed")
        part = 128 // self.size
        images = images.reshape(len(images), self.size, part, self.size, part).mean((2, 4))
        angle = np.radians([5 * step for _, step, _ in found])
        return Data(
            images.reshape(len(images), -1),
            y=np.array([label - 1 for label, *_ in found]),
            intrinsic=np.column_stack([np.cos(angle), np.sin(angle)]),
            sample_shape=(1, self.size, self.size),
        )


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
        folder = _folder("cifar10", f"{wanted[0]} to {wanted[-1]} (cifar-10-binary.tar.gz, University of Toronto)")
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


def _folder(name: str, files: str) -> Path:
    folder = data_folder()
    if folder is not None and (folder / name).is_dir():
        return folder / name
    raise FileNotFoundError(f"{name} is read where its files are: put {files} into ${VARIABLE}/{name}")
