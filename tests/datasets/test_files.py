"""Readers of the real data, on small files made here and on the real ones."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from datasets.digits import Digits
from datasets.faces import Olivetti
from datasets.idx import MNIST, contiguous_split, read_idx
from datasets.mammoth import Mammoth


def write_idx(path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(header + values.astype(np.uint8).tobytes()))


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    folder = tmp_path / "mnist"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", 60), ("t10k", 40)):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", rng.integers(0, 256, (n, 28, 28)))
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(n) % 10)
    monkeypatch.setenv("LATENTBENCH_DATA", str(tmp_path))
    return folder


def test_idx_round_trip(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (5, 4, 3))
    write_idx(tmp_path / "a.gz", values)
    np.testing.assert_array_equal(read_idx(tmp_path / "a.gz"), values)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08\x03\0\0",
        b"\x89PNG....",
        gzip.compress(b"\0\0\x0d\x01\0\0\0\x01abcd"),
        gzip.compress(b"\0\0\x08\x01\0\0\0\x09ab"),
    ],
    # gzip writes the time of day into its bytes, and processes side by side must collect the same names.
    ids=["empty", "cut off", "not compressed", "of floats", "too short"],
)
def test_what_is_not_idx_is_refused_by_name(tmp_path, content):
    path = tmp_path / "bad.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.gz"):
        read_idx(path)


def test_mnist_sources_and_digits(small_mnist):
    assert MNIST().load().X.shape == (100, 784)
    data = MNIST(source="t10k", digits=[0, 1]).load()
    assert set(data.y) == {0, 1} and len(data.X) == 8
    assert data.X.min() >= 0 and data.X.max() <= 1 and data.sample_shape == (1, 28, 28)
    with pytest.raises(ValueError, match="0 to 9"):
        MNIST(source="t10k", digits=[12]).load()


def test_a_missing_training_file_says_that_t10k_would_do(small_mnist, monkeypatch):
    (small_mnist / "train-images-idx3-ubyte.gz").unlink()

    def offline(*arguments, **more):
        raise OSError("no network")

    monkeypatch.setattr("pooch.retrieve", offline)
    with pytest.raises(FileNotFoundError, match='source = "t10k"'):
        MNIST().load()


def test_contiguous_split_has_the_published_sizes():
    # The published notebook prints 5155 validation images for digits 0, 1, 3, 6, 7.
    assert [len(part) for part in contiguous_split(36_090)] == [25_778, 5_155, 5_157]


def test_a_data_folder_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("LATENTBENCH_DATA", "/nowhere/at/all")
    with pytest.raises(FileNotFoundError, match="/nowhere/at/all"):
        Mammoth().load()


def test_digits_are_scikit_learns():
    data = Digits(n=300).load()
    assert data.X.shape == (300, 64) and set(data.y) == set(range(10)) and data.X.max() == 16


@pytest.mark.data
def test_real_files(data_folder):
    zeros_and_ones = MNIST(source="t10k", digits=[0, 1], split="contiguous").load()
    assert [len(zeros_and_ones.rows(s)) for s in ("train", "validation", "test")] == [1510, 302, 303]
    assert Mammoth().load().X.shape == (10_000, 3)
    faces = Olivetti().load()
    assert faces.X.shape == (400, 4096) and len(set(faces.y)) == 40
