"""Pictures of a latent plane: its metric, uncertainty and geodesics, with the codes in it."""

from __future__ import annotations

import logging

import numpy as np

from bench.pictures.subject import Array, Arrays, Subject
from metrics.view import View

log = logging.getLogger(__name__)

N_ELLIPSES = 60
_FINE_GRID = 60
_CURVES = 12
_STOPS = 200


def embedding(subject: Subject) -> Arrays:
    """The colours of the scored points, and the pullback metric at some of them where the plane is latent."""
    arrays = subject.colours()
    if subject.view.own_decoders and subject.d == 2:
        at = subject.some(N_ELLIPSES)
        try:
            return arrays | {"ellipse.G": _metric_at(subject.view, at), "ellipse.rows": at}
        except Exception:
            log.warning("no ellipses: the decoder's pullback metric cannot be computed", exc_info=True)
    return arrays


def _metric_at(view: View, rows: Array) -> Array:
    import torch

    from metrics.geometry import first_parameter, pullback_metric

    z, like = torch.as_tensor(view.Z[rows]), first_parameter(view.own_decoders)
    with torch.no_grad():
        return pullback_metric(view.own_decoders, z if like is None else z.to(like)).double().cpu().numpy()


def uncertainty(subject: Subject) -> Arrays:
    """Mean predictive deviation on a grid around the codes."""
    assert subject.view.deviation is not None
    Z = subject.view.Z
    low, high, grid = _plane_around(Z, _FINE_GRID)
    deviation = subject.view.deviation(grid).mean(axis=1).reshape(_FINE_GRID, _FINE_GRID)
    return {"deviation": deviation, "range": np.stack([low, high]), "Z": Z, **subject.colours()}


def geodesic_curves(subject: Subject) -> Arrays:
    """Geodesics between scored points over log10 sqrt(det G); for an ensemble also such as avoid its disagreement."""
    import torch

    from metrics.geodesics import geodesics
    from metrics.geometry import pullback_metric

    Z, decoders, z = subject.view.Z, subject.view.decoders, subject.view.latent
    low, high, grid = _plane_around(Z, _FINE_GRID)
    with torch.no_grad():
        G = pullback_metric(decoders, z.new_tensor(grid))
    magnification = G.det().clamp_min(torch.finfo(G.dtype).tiny).log10() / 2
    rng = np.random.default_rng(0)
    z0, z1 = z[rng.permutation(len(Z))[: 2 * min(_CURVES, len(Z) // 2)]].chunk(2)
    through = z.new_tensor(subject.view.Z_train[rng.permutation(len(subject.view.Z_train))[:_STOPS]])
    found = geodesics(decoders, z0, z1, through=through, n_segments=32)
    t = torch.linspace(0, 1, 60)
    arrays = {
        "magnification": magnification.reshape(_FINE_GRID, _FINE_GRID).cpu().numpy(),
        "range": np.stack([low, high]), "Z": Z, "curves": found.curve(t).cpu().numpy(),
        **subject.colours(),
    }  # fmt: skip
    if len(decoders) > 1:
        with torch.no_grad():
            disagreement = torch.stack([decoder(through) for decoder in decoders]).var(0, correction=0).sum(-1).median()
        # On the data the uncertainty then weighs about as much as the way itself.
        weight = float(found.energy.median() / disagreement)
        certain = geodesics(decoders, z0, z1, through=through, n_segments=32, uncertainty_weight=weight)
        arrays["certain"] = certain.curve(t).cpu().numpy()
    return arrays


def _plane_around(Z: Array, n: int) -> tuple[Array, Array, Array]:
    """The corners of the codes' plane with a quarter more to each side, and a grid of n x n points (n * n, 2)."""
    low, high = Z.min(axis=0), Z.max(axis=0)
    extent = high - low
    # Codes on a line, or on one spot, still lie in a plane that can be drawn.
    margin = 0.25 * np.maximum(extent, 0.01 * extent.max() if extent.max() > 0 else 1.0)
    low, high = low - margin, high + margin
    grid = np.stack(np.meshgrid(*(np.linspace(low[k], high[k], n) for k in (0, 1))), axis=-1)
    return low, high, grid.reshape(-1, 2).astype(np.float32)
