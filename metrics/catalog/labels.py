"""Metrics that need labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metrics import labels, neighbors
from metrics.metric import Metric, Scores, of_neighbourhoods
from metrics.view import NotApplicableError, View

Array = np.ndarray


def _labels(view: View) -> Array:
    """Of the scored points, at least two."""
    y = view.data.y[view.rows]
    if (y == y[0]).all():
        raise NotApplicableError("the scored points have one label")
    found: Array = y
    return found


def _is_classified(view: View, k: int) -> Array:
    y = view.data.y
    if view.split == "train":
        return neighbors.is_classified_by_others(view.Z, y[view.rows], k)
    return neighbors.is_classified(view.Z_train, y[view.data.train], view.Z, y[view.rows], k)


def _hits(view: View, k: int) -> Array:
    return labels.neighbourhood_hit(view.Z, _labels(view), k)


def _silhouettes(view: View) -> Array:
    return labels.silhouettes(view.Z, _labels(view), view.reference.rows)


def _silhouette(view: View) -> Scores:
    of_data = view.reference.of_labels(_labels(view), labels.silhouettes)
    return {"": float(_silhouettes(view).mean()), "_data": float(of_data.mean())}


def _distortion(which: int) -> Callable[[View], float]:
    return lambda view: labels.label_distortions(view.X, view.Z, _labels(view))[which]


def _is_probed(view: View) -> Array:
    if view.split == "train":
        raise NotApplicableError("the method cannot encode new points; a probe is not scored on what it was fitted to")
    y_train = view.data.y[view.data.train]
    if (y_train == y_train[0]).all():
        raise NotApplicableError("the training points have one label")
    return labels.is_probed(view.Z_train, y_train, view.Z, view.data.y[view.rows])


knn_accuracy = of_neighbourhoods(
    "knn_accuracy", lambda view, k: float(np.mean(_is_classified(view, k))), _is_classified, "labels",
    lambda k: {"train": k + 1},
    about="majority label of the k nearest training points is right, [0, 1], chance the largest label's share",
)  # fmt: skip
neighbourhood_hit = of_neighbourhoods(
    "neighbourhood_hit", lambda view, k: float(_hits(view, k).mean()), _hits, "labels", lambda k: {"scored": k + 1},
    about="share of k nearest neighbours of one label, [0, 1], chance sum of squared shares (Paulovich et al. 2008)",
)  # fmt: skip
silhouette = Metric(
    "silhouette", _silhouette, "higher", frozenset({"labels"}), by_point=_silhouettes,
    about="silhouette of the labels in the embedding, [-1, 1]; _data the same in the data (Rousseeuw 1987)",
)  # fmt: skip
label_trustworthiness = Metric(
    "label_trustworthiness", _distortion(0), "higher", frozenset({"labels"}),
    about="1 - separation of pairs of labels lost since the data, [0, 1] (Jeon et al. 2023)",
)  # fmt: skip
label_continuity = Metric(
    "label_continuity", _distortion(1), "higher", frozenset({"labels"}),
    about="1 - separation of pairs of labels that the data do not have, [0, 1] (Jeon et al. 2023)",
)  # fmt: skip
linear_probe = Metric(
    "linear_probe", lambda view: float(_is_probed(view).mean()), "higher", frozenset({"labels"}), by_point=_is_probed,
    about="a logistic regression on training codes is right, [0, 1], chance the largest label's share",
)  # fmt: skip
