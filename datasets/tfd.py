"""The Toronto Face Database, which its authors give on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from datasets.base import Array, Data, choose_rows
from datasets.files import VARIABLE, data_folder

FILE = "TFD_ranzato_48x48.mat"
_KEYS = ("images", "labs_ex", "labs_id", "folds")

Labels = Literal["expression", "identity"]


class TFD:
    """Faces with expressions: 48 x 48, pixels in [0, 1], from the standard file TFD_ranzato_48x48.mat.

    `labels`: 'expression' keeps the images whose expression is known (0 anger, 1 disgust, 2 fear, 3 happy, 4 sad,
    5 surprise, 6 neutral), 'identity' those whose person is known. `fold` (1 to 5): training, validation and test
    rows as that official fold gives them; None makes a random split. `n` draws so many of the images once.

    The database may not be redistributed: it is asked for at the University of Toronto (J. Susskind, A. Anderson
    and G. E. Hinton, The Toronto Face Database, UTML TR 2010-001). `olivetti` is an open stand-in.
    """

    def __init__(self, labels: Labels = "expression", fold: int | None = None, n: int | None = None) -> None:
        self.labels = labels
        self.fold = fold
        self.n = n

    def load(self) -> Data:
        if self.labels not in ("expression", "identity"):
            raise ValueError(f"labels must be 'expression' or 'identity', got {self.labels!r}")
        if self.fold is not None and not 1 <= self.fold <= 5:
            raise ValueError(f"fold must lie between 1 and 5, got {self.fold}")
        if self.fold is not None and self.n is not None:
            raise ValueError("fold and n cannot be combined: a fold is a split of all images; leave one out")
        content = read_tfd(_file())
        labels = content["labs_ex" if self.labels == "expression" else "labs_id"].ravel().astype(np.int64)
        known = labels > 0
        folds = content["folds"][:, self.fold - 1] if self.fold is not None else None
        if folds is not None:
            known &= np.isin(folds, (1, 2, 3))
        rows = np.flatnonzero(known)
        rows = rows[choose_rows(len(rows), self.n)]
        images = content["images"][rows]
        split: dict[str, Any] = {}
        if folds is not None:
            names = {1: "train", 2: "validation", 3: "test"}
            split = {name: np.flatnonzero(folds[rows] == code) for code, name in names.items()}
        X = images.reshape(len(rows), -1).astype(np.float32) / 255
        return Data(X, labels[rows] - 1, sample_shape=(1, *images.shape[1:]), **split)


def read_tfd(path: Path) -> dict[str, Array]:
    """The arrays of the standard file: images (n, 48, 48) of bytes, labs_ex, labs_id (n,), folds (n, 5).

    Raises:
        ValueError: the file is not in that format.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path)
    except (OSError, ValueError, NotImplementedError, TypeError, MatReadError) as error:
        raise ValueError(f"{path}: not a readable MATLAB file: {error}") from error
    missing = [key for key in _KEYS if key not in content]
    if missing:
        raise ValueError(f"{path}: holds no {missing[0]!r}; the standard {FILE} has {', '.join(_KEYS)}")
    found = {key: np.asarray(content[key]) for key in _KEYS}
    n = len(found["images"])
    if found["images"].ndim != 3:
        raise ValueError(f"{path}: images has shape {found['images'].shape}, (n, height, width) is needed")
    for key in ("labs_ex", "labs_id"):
        if found[key].size != n:
            raise ValueError(f"{path}: {key} has {found[key].size} entries for {n} images")
    if found["folds"].shape != (n, 5):
        raise ValueError(f"{path}: folds has shape {found['folds'].shape}, ({n}, 5) is needed")
    return found


def _file() -> Path:
    folder = data_folder()
    if folder is not None:
        for path in (folder / "tfd" / FILE, folder / FILE):
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"{FILE} is given on request only (University of Toronto, UTML TR 2010-001); put it at "
        f"${VARIABLE}/tfd/{FILE}, or use olivetti, which is open"
    )
