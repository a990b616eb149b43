from __future__ import annotations

import numpy as np
import pytest

from bench.record import models

GEODESICS = {"length": np.arange(3.0)}


@pytest.fixture
def saved(tmp_path):
    def save(*, loadable: bool = True, weight: float = 1.0):
        models.save_model(tmp_path, {"state.weight": np.full(2, weight)}, {"loadable": loadable})
        return tmp_path

    return save


def test_geodesics_are_kept_beside_their_model(saved):
    models.save_geodesics(saved(), "1.1", GEODESICS)
    found = models.load_geodesics(saved(), "1.1")
    assert found is not None and found["length"].tolist() == [0.0, 1.0, 2.0]


def test_geodesics_of_another_model_or_version_are_not_taken(saved):
    models.save_geodesics(saved(), "1.1", GEODESICS)
    assert models.load_geodesics(saved(weight=2.0), "1.1") is None
    assert models.load_geodesics(saved(), "1.2") is None


def test_geodesics_of_a_model_that_cannot_be_loaded_again_are_not_kept(saved):
    """Fitted anew it may have another decoder, of which its folder says nothing."""
    models.save_geodesics(saved(loadable=False), "1.1", GEODESICS)
    assert models.load_geodesics(saved(loadable=False), "1.1") is None
    assert models.load_geodesics(saved(), "1.1") is None


def test_damaged_geodesics_are_not_taken(saved):
    models.save_geodesics(saved(), "1.1", GEODESICS)
    (kept,) = saved().glob("geodesics*")
    kept.write_bytes(b"damaged")
    assert models.load_geodesics(saved(), "1.1") is None


def test_without_a_model_none_are_kept(tmp_path):
    models.save_geodesics(tmp_path, "1.1", GEODESICS)
    assert not list(tmp_path.iterdir())
