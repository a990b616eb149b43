"""Metrics of straight lines between codes: are they geodesics, and do they stay where the data are."""

from __future__ import annotations

import numpy as np

from metrics.catalog.geometry import affine
from metrics.metric import Metric
from metrics.view import View

Array = np.ndarray

_SEGMENTS = 64


def _energy_ratios(view: View) -> Array:
    """Energy of the straight line over that of the geodesic, of each pair.

    A geodesic of length L, gone along at constant speed, has the energy L^2; a line in n equal steps that of n times
    the sum of its squared steps.
    """
    import torch

    i, j = view.geodesic_pairs
    t = torch.linspace(0, 1, _SEGMENTS + 1, dtype=view.latent.dtype, device=view.latent.device)[:, None]
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


straight_energy = Metric(
    "straight_energy", lambda view: float(_energy_ratios(view).mean()), "lower", frozenset({"decoder"}),
    least_rows={"scored": 2}, by_point=_energy_ratios, trivial=affine,
    about="energy of straight latent lines over geodesics', mean of 50 pairs, [1, inf), 1 where lines are geodesics",
)  # fmt: skip
midpoint_distance = Metric(
    "midpoint_distance", lambda view: float(_midpoint_distances(view).mean()), "lower", frozenset({"reconstruction"}),
    least_rows={"scored": 2}, by_point=_midpoint_distances,
    about="how far decoded midpoints of codes are from the data, over how far decoded codes are, 50 pairs, [0, inf)",
)  # fmt: skip
