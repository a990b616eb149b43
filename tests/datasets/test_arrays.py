"""Awkward inputs: each is taken right, or refused in one line that names the place and the way out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from datasets.arrays import as_labels, as_matrix
from datasets.base import Data


def surface(n: int = 60) -> np.ndarray:
    rng = np.random.default_rng(0)
    u = rng.random((n, 2))
    return np.column_stack([np.sin(3 * u[:, 0]), np.cos(3 * u[:, 0]), u[:, 1]])


def frame(**more) -> pd.DataFrame:
    table = pd.DataFrame(surface(), columns=["a", "b", "c"])
    return table.assign(**more)


def rows(n: int, value, at: int = 7) -> list:
    return [value if row == at else 0.5 for row in range(n)]


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (1.7e9 + surface(), r"column 0 .* around 1.7e\+09 .* steps of 128; take its mean off first"),
        (frame(time=1.7e9 + np.arange(60.0)), "column 'time' .* steps of 128"),
        (frame(year=np.arange(60) + 10**12), "column 'year'"),
        (np.ones((60, 4)), "all 60 rows of X are alike"),
        (frame(name="x"), "column 'name' .* 'x'; leave it out"),
        (frame(day=pd.Timestamp("2020-01-01")), "column 'day' .*Timestamp"),
        (frame(gap=pd.array([1, None] * 30, dtype="Int64")), "30 values that are not finite, .* column 'gap', row 1"),
        (frame(gap=rows(60, np.nan)), "1 values that are not finite, the first in column 'gap', row 7; drop"),
        (frame(big=rows(60, 1e39)), "column 'big' of X holds 1e\\+39, beyond single precision"),
        (csr_matrix(surface()), r"sparse, 60 x 3; give X.toarray\(\), 0.00072 MB"),
        (surface().astype(complex), "complex128"),
        (surface().ravel(), r"matrix .* shape \(180,\)"),
        (np.zeros((9, 4, 4, 7)), "channels cannot be told; give X.reshape"),
        (np.zeros((9, 3, 4, 3)), "channels cannot be told"),
        (np.array([["1", "2"], ["x", "3"]] * 4), "column 0 .* 'x'"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_column(X, said):
    with pytest.raises(ValueError, match=said):
        Data(X)


def test_an_offset_that_single_precision_can_hold_is_no_offence():
    X = 1e3 + surface()
    np.testing.assert_array_equal(as_matrix(X)[0], X.astype(np.float32))
    # A column that never changes loses nothing, nor does one that was in single precision already.
    as_matrix(np.column_stack([surface(), np.full(60, 1.7e9)]))
    as_matrix((1.7e9 + 1e4 * surface()).astype(np.float32))
    # Nor does one that rounding alone moves, such as a pixel that is the same in all images.
    as_matrix(np.column_stack([surface(), 0.99 + 1e-16 * np.arange(60)]))


@given(st.floats(1.0, 1e12), st.floats(1e-3, 1e3))
def test_accepted_columns_keep_their_differences(offset, spread):
    exact = offset + spread * surface(200)
    try:
        X, _ = as_matrix(exact)
    except ValueError:
        assert np.spacing(np.float32(offset + spread)) > 1e-4 * spread
    else:
        rounded = X.astype(np.float64)
        assert np.sqrt(np.mean((rounded - exact) ** 2, axis=0)).max() <= 3e-4 * exact.std(axis=0).max()


def test_numbers_are_taken_from_whatever_holds_them():
    for X in (frame(), frame().astype(object), surface().tolist(), frame(flag=True), surface().astype(str)):
        matrix, shape = as_matrix(X)
        np.testing.assert_array_equal(matrix[:, :3], surface().astype(np.float32))
        assert matrix.dtype == np.float32 and shape is None


@pytest.mark.parametrize("axes", ["last", "first", "none"])
def test_images_bring_their_shape_and_are_flattened_channels_first(axes):
    images = np.random.default_rng(0).integers(0, 255, size=(20, 8, 6, 3), dtype=np.uint8)
    given = {"last": images, "first": np.moveaxis(images, 3, 1), "none": images[..., 0]}[axes]
    data = Data(given)
    assert data.sample_shape == ((1, 8, 6) if axes == "none" else (3, 8, 6))
    pixels = data.X.reshape(20, *data.sample_shape)
    np.testing.assert_array_equal(pixels[:, 0], images[..., 0])


def test_a_given_shape_stands_beside_a_matrix():
    assert Data(np.random.default_rng(0).random((9, 12)), sample_shape=(1, 3, 4)).sample_shape == (1, 3, 4)


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA])
def test_rows_without_a_label_are_named(missing):
    labels = pd.Series(["a", "b"] * 30, dtype=object)
    labels[3] = missing
    with pytest.raises(ValueError, match="no label in row 3; leave such rows out"):
        as_labels(labels)
    labels[[5, 9, 11]] = missing
    with pytest.raises(ValueError, match=r"no label in 4 rows \(3, 5, 9 ...\)"):
        as_labels(labels)


def test_infinite_and_continuous_labels_are_no_labels():
    for y in ([0.5, 1.0], [np.inf, 1.0]):
        with pytest.raises(ValueError, match="put continuous coordinates into intrinsic"):
            as_labels(y)
