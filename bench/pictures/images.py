"""Pictures of image data: reconstructions, samples, and what lies between, beside and along codes."""

from __future__ import annotations

import numpy as np

from bench.pictures.subject import Array, Arrays, Subject

_GRID = 12


def reconstructions(subject: Subject) -> Arrays:
    """Scored images above what is made of them."""
    at = subject.some(12)
    return subject.images(np.stack([subject.view.X[at], subject.decoded(subject.view.Z[at])]))


def prior_samples(subject: Subject) -> Arrays:
    z = np.random.default_rng(0).standard_normal((8, 12, subject.d))
    return subject.images(subject.decoded(z))


def interpolations(subject: Subject) -> Arrays:
    """Each row from one scored image to another: real at its ends, straight lines of codes between."""
    pairs = _unlike_pairs(subject, 6)
    ends = subject.view.Z[pairs]
    t = np.linspace(0, 1, 10)[None, 1:-1, None]
    between = subject.decoded((1 - t) * ends[:, :1] + t * ends[:, 1:])
    return subject.images(subject.view.X[pairs[:, :1]], between, subject.view.X[pairs[:, 1:]])


def _unlike_pairs(subject: Subject, n: int) -> Array:
    """Positions (n, 2) of scored rows, with two labels in each pair where there are labels, and no row twice."""
    left = list(np.random.default_rng(1).permutation(len(subject.view.rows)))
    labels = np.arange(len(left)) if subject.data.y is None else subject.data.y[subject.view.rows]
    pairs: list[tuple[int, int]] = []
    while len(left) > 1 and len(pairs) < n:
        first = left.pop()
        other = next((at for at in reversed(left) if labels[at] != labels[first]), left[-1])
        left.remove(other)
        pairs.append((first, other))
    return np.array(pairs)


def has_two_labels(subject: Subject) -> bool:
    y = subject.data.y
    return subject.has_images and y is not None and len(np.unique(y[subject.data.train])) > 1


def attribute_arithmetic(subject: Subject) -> Arrays:
    """Images of a, decoded, and decode(z - mean_a + mean_b), a and b the commonest labels of the training rows."""
    y = subject.data.y
    assert y is not None
    Z_train, y_train = subject.view.Z_train, y[subject.data.train]
    labels, counts = np.unique(y_train, return_counts=True)
    a, b = sorted(labels[np.argsort(-counts, kind="stable")[:2]], key=lambda label: label not in y[subject.view.rows])
    step = Z_train[y_train == b].mean(axis=0) - Z_train[y_train == a].mean(axis=0)
    at = np.flatnonzero(y[subject.view.rows] == a)[:12]
    if not len(at):
        raise ValueError(f"no scored row has one of the labels {a} and {b}")
    z = subject.view.Z[at]
    sheet = np.stack([subject.view.X[at], subject.decoded(z), subject.decoded(z + step)])
    return subject.images(sheet) | {"labels": np.array([a, b])}


def traversal(subject: Subject) -> Arrays:
    """The decoded plane, from the 2nd to the 98th percentile of the codes."""
    low, high = np.percentile(subject.view.Z, [2, 98], axis=0)
    across, up = (np.linspace(low[k], high[k], _GRID) for k in (0, 1))
    grid = np.stack(np.meshgrid(across, up[::-1]), axis=-1)
    return subject.images(subject.decoded(grid)) | {"range": np.stack([low, high])}


def tweaks(subject: Subject) -> Arrays:
    """One scored image, each of the eight widest latent coordinates moved over its range in turn."""
    Z = subject.view.Z
    widest = np.argsort(-Z.var(axis=0), kind="stable")[:8]
    low, high = np.percentile(Z, [1, 99], axis=0)
    z = np.tile(Z[subject.some(1)[0]], (len(widest), 9, 1))
    for row, k in enumerate(widest):
        z[row, :, k] = np.linspace(low[k], high[k], 9)
    return subject.images(subject.decoded(z)) | {"dimensions": widest}


def line(subject: Subject) -> Arrays:
    """What lies along a one-dimensional code, in order."""
    z = np.linspace(subject.view.Z.min(), subject.view.Z.max(), 16)[:, None]
    return subject.images(subject.decoded(z)[None]) | {"z": z[:, 0], "codes": subject.view.Z[:, 0]}
