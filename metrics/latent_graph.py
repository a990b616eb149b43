"""Shortest paths over the neighbourhood graph of latent points, measured in the data space."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from metrics.curve_energy import straight_lines
from metrics.neighbors import nearest_neighbours
from metrics.splines import at_constant_speed

Array = np.ndarray

N_NEIGHBORS = 10
# An edge's length is that of so many chords along it.
_CHORDS = 4


def shortest_paths(
    step_lengths: Callable[[Tensor], Tensor], through: Tensor, z0: Tensor, z1: Tensor, t: Tensor
) -> Tensor:
    """Points at times t (T + 1,) of constant-speed paths from z0 to z1 over the graph of nearest neighbours.

    Args:
        step_lengths: expected-metric lengths of the segments of polygons (..., curves, n + 1, d) -> (..., curves, n).
        through: latent points on the data (..., n, d).
        z0, z1: end points (..., pairs, d).
        t: times in [0, 1].

    Returns:
        (..., pairs, T + 1, d); the straight line where the graph does not connect a pair.
    """
    points = torch.cat([z0, z1, through], dim=-2)
    flat = points.flatten(0, -3) if points.ndim > 2 else points[None]
    near = np.stack([nearest_neighbours(part.cpu().numpy(), _reach(part)) for part in flat.double()])
    ends = torch.as_tensor(near, device=points.device).reshape(*points.shape[:-2], -1)
    start = points.repeat_interleave(near.shape[-1], dim=-2)
    end = torch.take_along_dim(points, ends[..., None], -2)
    chords = straight_lines(start, end, torch.linspace(0, 1, _CHORDS + 1))
    weights = step_lengths(chords).sum(-1).reshape(near.shape).double().cpu().numpy()
    n_pairs = z0.shape[-2]
    paths = [
        _routes(model, neighbours, lengths, n_pairs, t)
        for model, neighbours, lengths in zip(flat, near, weights, strict=True)
    ]
    return torch.stack(paths).reshape(*z0.shape[:-1], len(t), z0.shape[-1])


def _reach(points: Tensor) -> int:
    return min(N_NEIGHBORS, len(points) - 1)


def _routes(points: Tensor, near: Array, weights: Array, n_pairs: int, t: Tensor) -> Tensor:
    """The paths of one model: pair i goes from point i to point n_pairs + i."""
    n, k = near.shape
    # Points that coincide are joined by an edge of no length, which a sparse matrix would not hold.
    length = np.maximum(weights.ravel(), np.finfo(float).tiny)
    graph = csr_matrix((length, near.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    graph = graph.maximum(graph.T)
    distance, before = dijkstra(graph, directed=False, indices=np.arange(n_pairs), return_predecessors=True)
    routes = []
    for pair in range(n_pairs):
        stops = list(_stops(before[pair], pair, n_pairs + pair))[::-1]
        steps = np.diff(distance[pair][stops]) if len(stops) > 1 else np.zeros(1)
        vertices = points[stops] if len(stops) > 1 else points[[pair, n_pairs + pair]]
        routes.append(_along(vertices, torch.as_tensor(steps).to(points), t.to(points)))
    return torch.stack(routes)


def _stops(before: Array, start: int, end: int) -> Iterator[int]:
    """The points of a path from its end back to its start; only the end where there is no path."""
    at = end
    yield at
    while at != start and before[at] >= 0:
        at = int(before[at])
        yield at


def _along(vertices: Tensor, steps: Tensor, t: Tensor) -> Tensor:
    """Points of a polygon (n + 1, d) at constant speed by the lengths of its segments (n,) -> (T + 1, d)."""
    place = at_constant_speed(steps[None], t)[0] * len(steps)
    first = place.long().clamp_max(len(steps) - 1)
    within = (place - first)[:, None]
    return (1 - within) * vertices[first] + within * vertices[first + 1]
