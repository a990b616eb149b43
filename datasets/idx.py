"""The MNIST family: images and labels in the IDX format of LeCun's original files."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from datasets.base import Array, Data, choose_rows, random_split
from datasets.files import fetch

Source = Literal["all", "train", "t10k"]
Split = Literal["random", "contiguous"]


class MNIST:
    """Handwritten digits, 28 x 28, pixels in [0, 1].

    `source`: 'all' is the training file followed by the test file (70,000 images), 'train' and 't10k' are
    one of them. `digits` keeps those classes, in the original order. `n` draws so many of them once, by a
    fixed seed. `split`: 'random' is the usual 70/15/15; 'contiguous' is the first 5/7, the next 1/7 and the
    rest, unshuffled, as the published IRVAE code splits.

    Source: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist.
    """

    folder = "mnist"
    url = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    md5 = {  # noqa: RUF012
        "train-images": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels": "ec29112dd5afa0611ce80d1b7f02629c",
    }

    def __init__(
        self,
        source: Source = "all",
        digits: Sequence[int] | None = None,
        n: int | None = None,
        split: Split = "random",
    ) -> None:
        self.source = source
        self.digits = digits
        self.n = n
        self.split = split

    def load(self) -> Data:
        if self.digits is not None and not (self.digits and set(self.digits) <= set(range(10))):
            raise ValueError(f"digits must name classes from 0 to 9, got {list(self.digits)}")
        images, labels = self._read()
        if self.digits is not None:
            kept = np.isin(labels, list(self.digits))
            images, labels = images[kept], labels[kept]
        rows = choose_rows(len(images), self.n)
        X = images[rows].reshape(len(rows), -1).astype(np.float32) / 255
        split = contiguous_split if self.split == "contiguous" else random_split
        train, validation, test = split(len(rows))
        y = labels[rows].astype(np.int64)
        return Data(X, y, sample_shape=(1, *images.shape[1:]), train=train, validation=validation, test=test)

    def _read(self) -> tuple[Array, Array]:
        parts = ("train", "t10k") if self.source == "all" else (self.source,)
        images = np.concatenate([read_idx(self._file(part, "images")) for part in parts])
        labels = np.concatenate([read_idx(self._file(part, "labels")) for part in parts])
        return images, labels

    def _file(self, part: str, kind: str) -> Path:
        name = f"{part}-{kind}-idx{3 if kind == 'images' else 1}-ubyte.gz"
        try:
            return fetch(f"{self.folder}/{name}", self.url + name, "md5:" + self.md5[f"{part}-{kind}"])
        except FileNotFoundError as error:
            if part == "train" and self.source == "all":
                raise FileNotFoundError(f'{error} (or set source = "t10k" to use the test file alone)') from error
            raise


class FashionMNIST(MNIST):
    """Zalando's articles of clothing in MNIST's format: 28 x 28, ten classes, pixels in [0, 1].

    Source: Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747.
    """

    folder = "fashion_mnist"
    url = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    md5 = {  # noqa: RUF012
        "train-images": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels": "bb300cfdad3c16e7a12a480ee83cd310",
    }


def read_idx(path: Path) -> Array:
    """An array of unsigned bytes from an IDX file, gzip-compressed or not.

    Raises:
        ValueError: the file is not IDX, holds another type, or is cut short.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise ValueError(f"{path}: not a readable IDX file: {error}") from error
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(f"{path}: not an IDX file of unsigned bytes (starts with {content[:4]!r})")
    n_axes = content[3]
    if len(content) < 4 + 4 * n_axes:
        raise ValueError(f"{path}: cut short within its header")
    shape = struct.unpack(f">{n_axes}I", content[4 : 4 + 4 * n_axes])
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * n_axes)
    if values.size != int(np.prod(shape)):
        raise ValueError(f"{path}: header says {shape}, file holds {values.size} values")
    return values.reshape(shape)


def contiguous_split(n: int) -> tuple[Array, Array, Array]:
    """First 5/7, next 1/7 and the rest, each length truncated, as in IRVAE's data loader."""
    n_train, n_validation = int(n * 5 / 7), int(n / 7)
    train, validation, test = np.split(np.arange(n), [n_train, n_train + n_validation])
    return train, validation, test
