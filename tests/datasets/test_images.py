"""Images on request, and one digit under a known transformation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from datasets.tfd import FILE, TFD
from datasets.transformed_digit import RotatedDigit, ShiftedDigit


@pytest.fixture
def tfd_file(tmp_path, monkeypatch):
    """A small file in the standard format: expressions and identities of which some are unknown, five folds."""
    rng = np.random.default_rng(0)
    n = 60
    content = {
        "images": rng.integers(0, 256, size=(n, 48, 48)).astype(np.uint8),
        "labs_ex": np.where(np.arange(n) % 3 == 0, -1, 1 + np.arange(n) % 7)[:, None].astype(np.int16),
        "labs_id": np.where(np.arange(n) % 2 == 0, -1, 1 + np.arange(n) % 5)[:, None].astype(np.int16),
        "folds": rng.integers(0, 4, size=(n, 5)).astype(np.uint8),
    }
    (tmp_path / "tfd").mkdir()
    savemat(tmp_path / "tfd" / FILE, content)
    monkeypatch.setenv("LATENTBENCH_DATA", str(tmp_path))
    return content


def test_tfd_keeps_what_is_labelled(tfd_file):
    data = TFD().load()
    known = tfd_file["labs_ex"].ravel() > 0
    assert data.X.shape == (known.sum(), 48 * 48) and data.sample_shape == (1, 48, 48)
    np.testing.assert_array_equal(data.y, tfd_file["labs_ex"].ravel()[known] - 1)
    np.testing.assert_allclose(data.X[0].reshape(48, 48), tfd_file["images"][known][0] / 255, rtol=1e-6)
    assert len(TFD(labels="identity").load().X) == 30
    assert len(TFD(n=20).load().X) == 20


def test_tfd_takes_an_official_fold(tfd_file):
    data = TFD(fold=2).load()
    codes = tfd_file["folds"][:, 1][tfd_file["labs_ex"].ravel() > 0]
    assert [len(data.train), len(data.validation), len(data.test)] == [(codes == c).sum() for c in (1, 2, 3)]
    labels = tfd_file["labs_ex"].ravel()[tfd_file["labs_ex"].ravel() > 0]
    np.testing.assert_array_equal(np.sort(data.y[data.test]), np.sort(labels[codes == 3] - 1))
    for wrong, said in (({"fold": 9}, "fold"), ({"fold": 1, "n": 10}, "combined")):
        with pytest.raises(ValueError, match=said):
            TFD(**wrong).load()


def test_tfd_says_how_to_get_it_and_what_is_wrong_with_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="on request"):
        TFD().load()
    (tmp_path / FILE).write_bytes(b"no matrix")
    with pytest.raises(ValueError, match="MATLAB"):
        TFD().load()
    savemat(tmp_path / FILE, {"images": np.zeros((3, 48, 48))})
    with pytest.raises(ValueError, match="labs_ex"):
        TFD().load()


@pytest.mark.data
@pytest.mark.parametrize(
    ("component", "n", "first", "last"), [(RotatedDigit, 100, 0, 178.2), (ShiftedDigit, 20, -10, 9)]
)
def test_a_digit_is_transformed_by_known_amounts(component, n, first, last, data_folder):
    data = component().load()
    amounts = data.intrinsic[data.train, 0]
    assert len(data.train) == n and (amounts[0], amounts[-1]) == pytest.approx((first, last))
    assert data.sample_shape == (1, 28, 28) and 0 <= data.X.min() <= data.X.max() <= 1
    # Held-out amounts lie between those of training, and none is a training amount.
    assert not set(amounts) & set(data.intrinsic[data.test, 0])
    assert data.intrinsic[data.test].min() > first and data.intrinsic[data.test].max() < last


@pytest.mark.data
def test_a_quarter_turn_and_a_shift_are_those_of_the_array(data_folder):
    rotated = RotatedDigit(n=4).load()
    upright, turned = (rotated.X[rotated.train[k]].reshape(28, 28) for k in (0, 2))
    np.testing.assert_allclose(turned, np.rot90(upright), atol=1e-6)
    shifted = ShiftedDigit().load()
    centred, right = (shifted.X[shifted.train[k]].reshape(28, 28) for k in (10, 14))
    assert shifted.intrinsic[shifted.train[14], 0] == 4
    np.testing.assert_allclose(right[:, 4:], centred[:, :-4], atol=1e-6)
