"""Metrics that need labels."""

from __future__ import annotations

import numpy as np

from metrics import neighbors
from metrics.metric import of_neighbourhoods
from metrics.view import View

Array = np.ndarray


def _is_classified(view: View, k: int) -> Array:
    y = view.data.y
    if view.split == "train":
        return neighbors.is_classified_by_others(view.Z, y[view.rows], k)
    return neighbors.is_classified(view.Z_train, y[view.data.train], view.Z, y[view.rows], k)


knn_accuracy = of_neighbourhoods(
    "knn_accuracy", lambda view, k: float(np.mean(_is_classified(view, k))), _is_classified, "labels",
    lambda k: {"train": k + 1},
    about="majority label of the k nearest training points is right, [0, 1]",
)  # fmt: skip
