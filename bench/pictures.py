"""What reports draw of one fitted method: small arrays, computed where the method is, drawn where it is not.

`pictures(method, fitted, data)` gives for each kind of picture that method and data allow its arrays by name.
Arrays named `images` are bytes (rows, columns, features), 0 and 255 being the data's smallest and largest values.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.scoring import Fitted, view_of
from datasets.base import Data
from metrics.catalog import distance_kinds
from metrics.view import View

log = logging.getLogger(__name__)

Array = np.ndarray
Arrays = dict[str, Array]

N_ELLIPSES = 60
_MAX_POINTS = 500
_GRID = 12
_FINE_GRID = 60
_CURVES = 12
_STOPS = 200


@dataclass(frozen=True, eq=False)
class Subject:
    """A fitted method and its data, as pictures see them."""

    method: Any
    fitted: Fitted
    data: Data

    @property
    def d(self) -> int:
        return int(self.fitted.Z.shape[1])

    @property
    def decode(self) -> Callable[[Array], Array] | None:
        return self.fitted.decode

    @cached_property
    def rows(self) -> Array:
        """Numbers of the scored rows."""
        return self.data.rows(self.fitted.split)

    @cached_property
    def X(self) -> Array:
        return self.data.X[self.rows]

    @cached_property
    def colour(self) -> Array | None:
        """A label or the first intrinsic coordinate of each scored row."""
        if self.data.y is not None:
            return np.asarray(self.data.y[self.rows], dtype=np.float64)
        return None if self.data.intrinsic is None else self.data.intrinsic[self.rows, 0]

    @property
    def has_images(self) -> bool:
        shape = self.data.sample_shape
        return shape is not None and len(shape) == 3 and shape[0] in (1, 3) and self.decode is not None

    @property
    def has_normal_prior(self) -> bool:
        return getattr(self.method, "prior", None) == "normal"

    @property
    def curve_in_plane(self) -> bool:
        intrinsic = self.data.intrinsic
        along = intrinsic is not None and intrinsic.shape[1] == 1
        return along and self.d == 1 and self.X.shape[1] == 2 and self.decode is not None

    def some(self, n: int) -> Array:
        """Positions of at most n scored rows, drawn once and in ascending order."""
        return np.sort(np.random.default_rng(0).permutation(len(self.rows))[:n])

    def decoded(self, Z: Array) -> Array:
        """Latent points (..., d) decoded (..., n_features)."""
        assert self.decode is not None
        flat = np.asarray(Z, dtype=np.float32).reshape(-1, self.d)
        return np.asarray(self.decode(flat)).reshape(*Z.shape[:-1], -1)

    def images(self, *columns: Array) -> Arrays:
        """Rows of images side by side, as bytes, with the shape of one."""
        values = np.concatenate(columns, axis=1)
        low, high = float(self.data.X.min()), float(self.data.X.max())
        scaled = (values - low) / (high - low if high > low else 1.0)
        shape = np.asarray(self.data.sample_shape, dtype=np.int64)
        return {"images": np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8), "shape": shape}


def pictures(method: Any, fitted: Fitted, data: Data) -> dict[str, Arrays]:
    """The arrays of each kind of picture; a kind that fails is left out and noted in the log."""
    subject = Subject(method, fitted, data)
    found = {}
    for kind, (applies, make) in KINDS.items():
        try:
            if applies(subject):
                found[kind] = make(subject)
        except Exception:
            log.warning("no picture of %s", kind, exc_info=True)
    return found


def of_group(views: Sequence[View]) -> Arrays:
    """Distances of the same pairs by each of the models (models, pairs); none where no metric asked for geodesics."""
    if len(views) < 2 or not all("geodesics" in vars(view) for view in views):
        return {}
    kinds = distance_kinds(views)
    return {f"stability.{kind.lstrip('_') or 'geodesic'}": lengths for kind, lengths in kinds.items()}


def frame(method: Any, fitted: Fitted, data: Data) -> tuple[str, Arrays] | None:
    """The one picture that shows how a model learns, kind and arrays; None where its codes cannot be drawn."""
    subject = Subject(method, fitted, data)
    for kind in ("curve", "line"):
        applies, make = KINDS[kind]
        if applies(subject):
            return kind, make(subject)
    return ("codes", {"Z": fitted.Z, **_coloured(subject, slice(None))}) if subject.d == 2 else None


def embedding(method: Any, fitted: Fitted, data: Data) -> Arrays:
    """The colours of the scored points, and the pullback metric at some of them where the plane is latent."""
    subject = Subject(method, fitted, data)
    arrays = {} if subject.colour is None else {"colour": subject.colour}
    if fitted.decoders and subject.d == 2:
        at = subject.some(N_ELLIPSES)
        try:
            return arrays | {"ellipse.G": _metric_at(fitted, at), "ellipse.rows": at}
        except Exception:
            log.warning("no ellipses: the decoder's pullback metric cannot be computed", exc_info=True)
    return arrays


def _metric_at(fitted: Fitted, rows: Array) -> Array:
    import torch

    from metrics.geometry import first_parameter, pullback_metric

    z, like = torch.as_tensor(fitted.Z[rows]), first_parameter(fitted.decoders)
    with torch.no_grad():
        return pullback_metric(fitted.decoders, z if like is None else z.to(like)).double().cpu().numpy()


def _reconstructions(subject: Subject) -> Arrays:
    """Scored images above what is made of them."""
    at = subject.some(12)
    return subject.images(np.stack([subject.X[at], subject.decoded(subject.fitted.Z[at])]))


def _prior_samples(subject: Subject) -> Arrays:
    z = np.random.default_rng(0).standard_normal((8, 12, subject.d))
    return subject.images(subject.decoded(z))


def _interpolations(subject: Subject) -> Arrays:
    """Each row from one scored image to another: real at its ends, straight lines of codes between."""
    pairs = _unlike_pairs(subject, 6)
    ends = subject.fitted.Z[pairs]
    t = np.linspace(0, 1, 10)[None, 1:-1, None]
    between = subject.decoded((1 - t) * ends[:, :1] + t * ends[:, 1:])
    return subject.images(subject.X[pairs[:, :1]], between, subject.X[pairs[:, 1:]])


def _unlike_pairs(subject: Subject, n: int) -> Array:
    """Positions (n, 2) of scored rows, with two labels in each pair where there are labels, and no row twice."""
    left = list(np.random.default_rng(1).permutation(len(subject.rows)))
    labels = np.arange(len(left)) if subject.data.y is None else subject.data.y[subject.rows]
    pairs: list[tuple[int, int]] = []
    while len(left) > 1 and len(pairs) < n:
        first = left.pop()
        other = next((at for at in reversed(left) if labels[at] != labels[first]), left[-1])
        left.remove(other)
        pairs.append((first, other))
    return np.array(pairs)


def _has_two_labels(subject: Subject) -> bool:
    y = subject.data.y
    return subject.has_images and y is not None and len(np.unique(y[subject.data.train])) > 1


def _attribute_arithmetic(subject: Subject) -> Arrays:
    """Images of a, decoded, and decode(z - mean_a + mean_b), a and b the commonest labels of the training rows."""
    y = subject.data.y
    assert y is not None
    Z_train, y_train = subject.fitted.Z_train, y[subject.data.train]
    labels, counts = np.unique(y_train, return_counts=True)
    a, b = sorted(labels[np.argsort(-counts, kind="stable")[:2]], key=lambda label: label not in y[subject.rows])
    step = Z_train[y_train == b].mean(axis=0) - Z_train[y_train == a].mean(axis=0)
    at = np.flatnonzero(y[subject.rows] == a)[:12]
    if not len(at):
        raise ValueError(f"no scored row has one of the labels {a} and {b}")
    z = subject.fitted.Z[at]
    sheet = np.stack([subject.X[at], subject.decoded(z), subject.decoded(z + step)])
    return subject.images(sheet) | {"labels": np.array([a, b])}


def _traversal(subject: Subject) -> Arrays:
    """The decoded plane, from the 2nd to the 98th percentile of the codes."""
    low, high = np.percentile(subject.fitted.Z, [2, 98], axis=0)
    across, up = (np.linspace(low[k], high[k], _GRID) for k in (0, 1))
    grid = np.stack(np.meshgrid(across, up[::-1]), axis=-1)
    return subject.images(subject.decoded(grid)) | {"range": np.stack([low, high])}


def _tweaks(subject: Subject) -> Arrays:
    """One scored image, each of the eight widest latent coordinates moved over its range in turn."""
    Z = subject.fitted.Z
    widest = np.argsort(-Z.var(axis=0), kind="stable")[:8]
    low, high = np.percentile(Z, [1, 99], axis=0)
    z = np.tile(Z[subject.some(1)[0]], (len(widest), 9, 1))
    for row, k in enumerate(widest):
        z[row, :, k] = np.linspace(low[k], high[k], 9)
    return subject.images(subject.decoded(z)) | {"dimensions": widest}


def _line(subject: Subject) -> Arrays:
    """What lies along a one-dimensional code, in order."""
    z = np.linspace(subject.fitted.Z.min(), subject.fitted.Z.max(), 16)[:, None]
    return subject.images(subject.decoded(z)[None]) | {"z": z[:, 0], "codes": subject.fitted.Z[:, 0]}


def _curve(subject: Subject) -> Arrays:
    """Training points, the true and the decoded curve, and local expansions at two training points."""
    from metrics.curves import decoded_curve

    assert subject.decode is not None and subject.data.intrinsic is not None
    train = subject.data.train
    order = np.argsort(subject.data.intrinsic[subject.rows, 0], kind="stable")
    arrays = {
        "train": subject.data.X[train],
        "reconstructed": subject.decoded(subject.fitted.Z_train),
        "truth": subject.X[order],
        "decoded": decoded_curve(subject.decode, subject.fitted.Z_train, 2_000).astype(np.float32),
    }
    return arrays | _local_expansions(subject)


def _local_expansions(subject: Subject) -> Arrays:
    """f(z) + J delta (+ 1/2 delta^T H delta) at the codes of the training rows 0.2 n and 0.7 n.

    delta reaches a tenth of the codes' range to both sides.
    """
    order = getattr(subject.method, "expansion_order", None)
    if order not in (1, 2):
        return {}
    import torch

    from metrics.taylor import expand

    Z = subject.fitted.Z_train[:, 0]
    centres = Z[[int(0.2 * len(Z)), int(0.7 * len(Z))]]
    reach = 0.1 * np.ptp(Z)
    delta = np.linspace(-reach, reach, 50)
    decoder = subject.method.decoders_[0]
    like = next(decoder.parameters())
    with torch.no_grad():
        z, step = (torch.as_tensor(values, dtype=like.dtype, device=like.device) for values in (centres, delta))
        jet = expand(decoder, z[:, None], step[None, :, None].expand(2, -1, -1))
        local = jet.value[:, None] + jet.first + (0.5 * jet.second if order == 2 else 0.0)
    return {"local": local.cpu().numpy(), "centres": subject.decoded(centres[:, None])}


def _uncertainty(subject: Subject) -> Arrays:
    """Mean predictive deviation on a grid around the codes."""
    assert subject.fitted.deviation is not None
    Z = subject.fitted.Z
    low, high, grid = _plane_around(Z, _FINE_GRID)
    deviation = subject.fitted.deviation(grid).mean(axis=1).reshape(_FINE_GRID, _FINE_GRID)
    return {"deviation": deviation, "range": np.stack([low, high]), "Z": Z, **_coloured(subject, slice(None))}


def _geodesics(subject: Subject) -> Arrays:
    """Geodesics between scored points over log10 sqrt(det G); for an ensemble also such as avoid its disagreement."""
    import torch

    from metrics.geodesics import geodesics
    from metrics.geometry import pullback_metric

    view = view_of(subject.fitted, subject.data, _no_attached)
    Z, decoders, z = subject.fitted.Z, view.decoders, view.latent
    low, high, grid = _plane_around(Z, _FINE_GRID)
    with torch.no_grad():
        G = pullback_metric(decoders, z.new_tensor(grid))
    magnification = G.det().clamp_min(torch.finfo(G.dtype).tiny).log10() / 2
    rng = np.random.default_rng(0)
    z0, z1 = z[rng.permutation(len(Z))[: 2 * min(_CURVES, len(Z) // 2)]].chunk(2)
    through = z.new_tensor(subject.fitted.Z_train[rng.permutation(len(subject.fitted.Z_train))[:_STOPS]])
    found = geodesics(decoders, z0, z1, through=through, n_segments=32)
    t = torch.linspace(0, 1, 60)
    arrays = {
        "magnification": magnification.reshape(_FINE_GRID, _FINE_GRID).cpu().numpy(),
        "range": np.stack([low, high]), "Z": Z, "curves": found.curve(t).cpu().numpy(),
        **_coloured(subject, slice(None)),
    }  # fmt: skip
    if len(decoders) > 1:
        with torch.no_grad():
            disagreement = torch.stack([decoder(through) for decoder in decoders]).var(0, correction=0).sum(-1).median()
        # On the data the uncertainty then weighs about as much as the way itself.
        weight = float(found.energy.median() / disagreement)
        certain = geodesics(decoders, z0, z1, through=through, n_segments=32, uncertainty_weight=weight)
        arrays["certain"] = certain.curve(t).cpu().numpy()
    return arrays


def _no_attached() -> Any:
    raise RuntimeError("pictures need no attached decoder")


def _plane_around(Z: Array, n: int) -> tuple[Array, Array, Array]:
    """The corners of the codes' plane with a quarter more to each side, and a grid of n x n points (n * n, 2)."""
    low, high = Z.min(axis=0), Z.max(axis=0)
    low, high = low - 0.25 * (high - low), high + 0.25 * (high - low)
    grid = np.stack(np.meshgrid(*(np.linspace(low[k], high[k], n) for k in (0, 1))), axis=-1)
    return low, high, grid.reshape(-1, 2).astype(np.float32)


def _latent_layout(subject: Subject) -> Arrays:
    """t-SNE of codes that have no plane of their own."""
    at = subject.some(_MAX_POINTS)
    return {"Z": _layout(subject.fitted.Z[at]), **_coloured(subject, at)}


def _proxy_layout(subject: Subject) -> Arrays:
    """t-SNE of what the latent distances follow: the classifier's last layer, say."""
    assert subject.fitted.proxy_features is not None
    at = subject.some(_MAX_POINTS)
    return {"Z": _layout(subject.fitted.proxy_features(subject.X[at])), **_coloured(subject, at)}


def _layout(points: Array) -> Array:
    from openTSNE import TSNE

    perplexity = min(30.0, (len(points) - 1) / 3)
    return np.asarray(TSNE(perplexity=perplexity, random_state=0).fit(points), dtype=np.float32)


def _coloured(subject: Subject, at: Any) -> Arrays:
    return {} if subject.colour is None else {"colour": subject.colour[at]}


# kind: (whether method and data have it, its arrays)
KINDS: Mapping[str, tuple[Callable[[Subject], bool], Callable[[Subject], Arrays]]] = {
    "curve": (lambda subject: subject.curve_in_plane, _curve),
    "line": (lambda subject: subject.has_images and subject.d == 1, _line),
    "reconstructions": (lambda subject: subject.has_images, _reconstructions),
    "prior": (lambda subject: subject.has_images and subject.has_normal_prior, _prior_samples),
    "interpolations": (lambda subject: subject.has_images and len(subject.rows) > 1, _interpolations),
    "arithmetic": (_has_two_labels, _attribute_arithmetic),
    "traversal": (lambda subject: subject.has_images and subject.d == 2, _traversal),
    "tweaks": (lambda subject: subject.has_images and subject.d > 1, _tweaks),
    "uncertainty": (lambda subject: subject.fitted.deviation is not None and subject.d == 2, _uncertainty),
    "geodesics": (lambda s: bool(s.fitted.decoders) and s.d == 2 and len(s.rows) > 1, _geodesics),
    "layout": (lambda subject: subject.d > 2 and len(subject.rows) > 10, _latent_layout),
    "proxy-layout": (
        lambda subject: subject.fitted.proxy_features is not None and len(subject.rows) > 10,
        _proxy_layout,
    ),
}
