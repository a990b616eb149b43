"""Metrics of curves between codes: are straight lines geodesics, and do curves stay where the data are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metrics.catalog.geometry import affine
from metrics.metric import Metric, Scores
from metrics.view import NotApplicableError, View

if TYPE_CHECKING:
    from torch import Tensor

Array = np.ndarray

_SEGMENTS = 64


def _energy_ratios(view: View) -> Array:
    """Energy of the straight line over that of the geodesic, of each pair.

    A geodesic of length L, gone along at constant speed, has the energy L^2; a line in n equal steps that of n times
    the sum of its squared steps.
    """
    import torch

    i, j = view.geodesic_pairs
    t = _times(view)[:, None]
    lengths = view.geodesics.length
    with torch.no_grad():
        energies = [
            torch.stack([
                _SEGMENTS * decoder(a + t * (b - a)).diff(dim=0).square().sum()
                for a, b in zip(view.latent[i], view.latent[j], strict=True)
            ])
            for decoder in view.decoders
        ]  # fmt: skip
    ratio: Array = (torch.stack(energies).mean(0) / lengths.square().clamp_min(1e-300)).cpu().numpy()
    return ratio


def _midpoint_distances(view: View) -> Array:
    """Distance of each pair's decoded midpoint to the nearest training row, over the decoded ends' mean distance."""
    from sklearn.neighbors import NearestNeighbors

    assert view.decode is not None
    i, j = view.geodesic_pairs
    Z = np.asarray(view.Z, dtype=np.float64)
    midpoints = ((Z[i] + Z[j]) / 2).astype(np.float32)
    near = NearestNeighbors(n_neighbors=1).fit(view.data.X[view.data.train])
    of_midpoints, of_ends = (
        near.kneighbors(np.asarray(decoded))[0][:, 0]
        for decoded in (view.decode(midpoints), view.decode(view.Z[np.concatenate([i, j])]))
    )
    return np.asarray(of_midpoints / max(float(of_ends.mean()), 1e-300), dtype=np.float64)


def _off_data(view: View, curves: Tensor) -> Array:
    """Of curves (pairs, n, d): mean distance of each one's decoded points to the nearest training row, over the radius.

    The radius is the root mean squared distance of training rows from their mean.
    """
    import torch
    from sklearn.neighbors import NearestNeighbors

    X = view.data.X[view.data.train]
    with torch.no_grad():
        images = torch.stack([decoder(curves.flatten(0, 1)) for decoder in view.decoders]).mean(0)
    # Beside the mean, decoders that know their deviation give that too.
    decoded = images[:, : X.shape[1]].cpu().numpy()
    finite = np.isfinite(decoded).all(axis=1)
    distance = np.full(len(decoded), np.nan)
    if finite.any():
        distance[finite] = NearestNeighbors(n_neighbors=1).fit(X).kneighbors(decoded[finite])[0][:, 0]
    radius = np.sqrt(X.var(axis=0, dtype=np.float64).sum())
    found: Array = distance.reshape(curves.shape[:2]).mean(axis=1) / max(float(radius), 1e-300)
    return found


def _times(view: View) -> Tensor:
    import torch

    return torch.linspace(0, 1, _SEGMENTS + 1, dtype=view.latent.dtype, device=view.latent.device)


def _geodesics_off_data(view: View) -> Array:
    return _off_data(view, view.geodesics.curve(_times(view)))


def _geodesic_off_data(view: View) -> Scores:
    import torch

    i, j = view.geodesic_pairs
    a, b = view.latent[i][:, None], view.latent[j][:, None]
    lines = a + _times(view)[:, None] * (b - a)
    off = _off_data(view, torch.cat([view.geodesics.curve(_times(view)), lines]))
    return {"": float(off[: len(i)].mean()), "_straight": float(off[len(i) :].mean())}


def _agreed_geodesics_off_data(view: View) -> Array:
    if len(view.decoders) < 2:
        raise NotApplicableError("one decoder has nothing to agree with; an ensemble has")
    return _off_data(view, view.agreed_geodesics.curve(_times(view)))


straight_energy = Metric(
    "straight_energy", lambda view: float(_energy_ratios(view).mean()), "lower", frozenset({"decoder"}),
    least_rows={"scored": 2}, by_point=_energy_ratios, trivial=affine, version=3,
    about="energy of straight latent lines over geodesics', mean of 50 pairs, [1, inf), 1 where lines are geodesics",
)  # fmt: skip
midpoint_distance = Metric(
    "midpoint_distance", lambda view: float(_midpoint_distances(view).mean()), "lower", frozenset({"reconstruction"}),
    least_rows={"scored": 2}, by_point=_midpoint_distances,
    about="how far decoded midpoints of codes are from the data, over how far decoded codes are, 50 pairs, [0, inf)",
)  # fmt: skip
geodesic_off_data = Metric(
    "geodesic_off_data", _geodesic_off_data, "lower", frozenset({"decoder"}), least_rows={"scored": 2},
    by_point=_geodesics_off_data, version=3,
    about="distance of decoded geodesics to the data, over the data's radius, 50 pairs, [0, inf); _straight lines'",
)  # fmt: skip
agreed_geodesic_off_data = Metric(
    "agreed_geodesic_off_data", lambda view: float(_agreed_geodesics_off_data(view).mean()), "lower",
    frozenset({"decoder"}), least_rows={"scored": 2}, by_point=_agreed_geodesics_off_data, version=3,
    about="geodesic_off_data of an ensemble's curves of least published energy, which keep to where members agree",
)  # fmt: skip
