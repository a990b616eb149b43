from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.base import Data, as_data, choose_rows, content_hash, head, random_split
from datasets.curves import SinCurve

SOME = np.arange(20.0).reshape(10, 2)


def some_data(n: int = 40, **more) -> Data:
    return Data(np.random.default_rng(0).normal(size=(n, 3)), **more)


@given(st.integers(4, 500))
def test_random_split_is_a_partition_in_70_15_15(n):
    parts = random_split(n)
    assert sorted(np.concatenate(parts)) == list(range(n))
    assert len(parts[1]) == len(parts[2]) == max(1, round(0.15 * n))


def test_content_hash_changes_with_content_and_with_nothing_else():
    X = np.random.default_rng(0).normal(size=(20, 2))
    same = content_hash(Data(X))
    assert content_hash(Data(X.copy())) == same
    changed = X.copy()
    changed[3, 1] += 1
    assert content_hash(Data(changed)) != same
    assert content_hash(Data(X, y=np.zeros(20, dtype=int))) != same
    assert content_hash(Data(X, train=np.arange(10), validation=np.arange(10, 15), test=np.arange(15, 20))) != same


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"X": np.full((10, 2), np.nan)}, "not finite"),
        ({"X": np.zeros(10)}, "matrix"),
        ({"X": SOME, "y": np.zeros(9)}, "y has 9 rows"),
        ({"X": SOME, "sample_shape": (3, 3)}, "sample_shape"),
        (
            {
                "X": SOME,
                "train": np.arange(8),
                "validation": np.arange(7, 9),
                "test": np.array([9]),
            },
            "overlap",
        ),
        (
            {
                "X": SOME,
                "train": np.arange(8),
                "validation": np.array([8]),
                "test": np.array([10]),
            },
            "outside",
        ),
    ],
)
def test_unusable_data_is_refused_with_a_reason(broken, said):
    with pytest.raises(ValueError, match=said):
        Data(**broken)


def test_names_of_classes_become_integers_and_hash_alike_in_every_process():
    X = np.arange(24.0).reshape(8, 3)
    names = np.array(["b", "a", "c", "a"] * 2, dtype=object)
    data = Data(X, y=names)
    assert data.y.tolist() == [1, 0, 2, 0] * 2 and data.y.dtype == np.int64
    assert content_hash(data) == content_hash(Data(X, y=list(names.astype(str))))
    with pytest.raises(ValueError, match="intrinsic"):
        Data(X, y=np.linspace(0, 1, 8))


def test_a_split_given_in_part_is_refused():
    with pytest.raises(ValueError, match="each hold at least one row"):
        Data(np.arange(16.0).reshape(8, 2), test=np.array([0, 1]))


def test_a_third_party_may_return_any_object_with_x():
    class Foreign:
        X = np.arange(20.0).reshape(10, 2)
        y = np.arange(10)

    assert as_data(Foreign()).y[3] == 3
    with pytest.raises(ValueError, match="array X"):
        as_data({"X": 1})


def test_head_keeps_splits_disjoint_and_geodesics_right():
    from datasets.manifolds import SwissRoll

    whole = SwissRoll(n=500).load()
    part = head(whole, 100)
    assert len(part.X) <= 100
    assert sorted(np.concatenate([part.train, part.validation, part.test])) == list(range(len(part.X)))
    i, j = np.array([0, 1, 2]), np.array([30, 40, 50])
    expected = np.linalg.norm(part.intrinsic[i] - part.intrinsic[j], axis=1)
    np.testing.assert_allclose(part.geodesic(i, j), expected)
    rows = {tuple(row) for row in whole.X[whole.test]}
    assert all(tuple(row) in rows for row in part.X[part.test])


def test_choose_rows_draws_the_same_rows_every_time_and_refuses_too_many():
    np.testing.assert_array_equal(choose_rows(100, 10), choose_rows(100, 10))
    with pytest.raises(ValueError, match="between 4 and 100"):
        choose_rows(100, 101)


def test_a_small_training_split_stays_whole_where_rows_are_few():
    data = SinCurve().load()
    few = head(data, 300)
    assert [len(few.train), len(few.validation), len(few.test)] == [50, 45, 45]
    np.testing.assert_array_equal(few.X[few.train], data.X[data.train])


def test_one_intrinsic_coordinate_may_be_a_plain_array():
    assert Data(np.arange(10.0).reshape(5, 2), intrinsic=np.arange(5.0)).intrinsic.shape == (5, 1)
