"""The Columbia Object Image Library, read where its files are."""

from __future__ import annotations

import re

import numpy as np

from datasets.base import Data
from datasets.files import given_folder


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
        folder = given_folder("coil20", "obj1__0.png to obj20__71.png (coil-20-proc.zip, Columbia University)")
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
