"""t-SNE of what has no plane of its own."""

from __future__ import annotations

import numpy as np

from bench.pictures.subject import Array, Arrays, Subject

_MAX_POINTS = 500


def latent_layout(subject: Subject) -> Arrays:
    """t-SNE of codes that have no plane of their own."""
    at = subject.some(_MAX_POINTS)
    return {"Z": _layout(subject.view.Z[at]), **subject.colours(at)}


def proxy_layout(subject: Subject) -> Arrays:
    """t-SNE of what the latent distances follow: the classifier's last layer, say."""
    assert subject.view.proxy_features is not None
    at = subject.some(_MAX_POINTS)
    return {"Z": _layout(subject.view.proxy_features(subject.view.X[at])), **subject.colours(at)}


def _layout(points: Array) -> Array:
    from openTSNE import TSNE

    perplexity = min(30.0, (len(points) - 1) / 3)
    return np.asarray(TSNE(perplexity=perplexity, random_state=0).fit(points), dtype=np.float32)
