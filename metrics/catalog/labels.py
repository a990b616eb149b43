"""Metrics that need labels."""

from __future__ import annotations

from metrics import neighbors
from metrics.metric import of_neighbourhoods
from metrics.view import View


def _knn_accuracy(view: View, k: int) -> float:
    y = view.data.y
    if view.split == "train":
        return neighbors.leave_one_out_accuracy(view.Z, y[view.rows], k)
    return neighbors.knn_accuracy(view.Z_train, y[view.data.train], view.Z, y[view.rows], k)


knn_accuracy = of_neighbourhoods(
    "knn_accuracy", _knn_accuracy, "labels", lambda k: {"train": k + 1},
    about="majority label of the k nearest training points is right, [0, 1]",
)  # fmt: skip
