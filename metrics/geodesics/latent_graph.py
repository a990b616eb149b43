"""Shortest paths over the neighbourhood graph of latent points, measured in the data space."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from metrics.geodesics.curve_energy import straight_lines
from metrics.geodesics.splines import at_constant_speed

Array = np.ndarray

N_NEIGHBORS = 10
# An edge's length is that of so many chords along it.
_CHORDS = 4


def shortest_paths(
    step_lengths: Callable[[Tensor], Tensor], through: Tensor, z0: Tensor, z1: Tensor, t: Tensor
) -> Tensor:
    """Points at times t (T + 1,) of constant-speed paths from z0 to z1 over the graph of nearest neighbours.

    The graph is of the given points alone; the ends of a path enter and leave it at their nearest ones, so that a
    path depends on no other pair.

    Args:
        step_lengths: expected-metric lengths of the segments of polygons (..., curves, n + 1, d) -> (..., curves, n).
        through: latent points on the data (..., n, d).
        z0, z1: end points (..., pairs, d).
        t: times in [0, 1].

    Returns:
        (..., pairs, T + 1, d); the straight line where the graph does not connect a pair.
    """
    graph, queries = through, torch.cat([z0, z1], dim=-2)
    near = _nearest(graph, None), _nearest(graph, queries)
    lengths = [_edge_lengths(step_lengths, start, graph, to) for start, to in zip((graph, queries), near, strict=True)]
    points = torch.cat([graph, queries], dim=-2)
    model = list(np.ndindex(points.shape[:-2]))
    paths = [_routes(points[s], near[0][s], near[1][s], lengths[0][s], lengths[1][s], t) for s in model]
    return torch.stack(paths).reshape(*z0.shape[:-1], len(t), z0.shape[-1])


def _nearest(graph: Tensor, queries: Tensor | None) -> Array:
    """Numbers (..., m, k) of the points (..., n, d) nearest to each query, or to each of themselves but itself."""
    flat = graph.reshape(-1, *graph.shape[-2:]).double().cpu().numpy()
    asked = [None] * len(flat) if queries is None else queries.reshape(-1, *queries.shape[-2:]).double().cpu().numpy()
    k = min(N_NEIGHBORS, graph.shape[-2] - 1)
    pairs = zip(flat, asked, strict=True)
    found = [NearestNeighbors(n_neighbors=k).fit(X).kneighbors(query, return_distance=False) for X, query in pairs]
    return np.stack(found).reshape(*graph.shape[:-2], -1, k)


def _edge_lengths(step_lengths: Callable[[Tensor], Tensor], points: Tensor, graph: Tensor, near: Array) -> Array:
    """Lengths (..., m, k) of the edges from points (..., m, d) to those of the graph."""
    ends = torch.as_tensor(near, device=points.device).flatten(-2)
    start = points.repeat_interleave(near.shape[-1], dim=-2)
    end = torch.take_along_dim(graph, ends[..., None], -2)
    chords = straight_lines(start, end, torch.linspace(0, 1, _CHORDS + 1))
    length = step_lengths(chords).sum(-1).reshape(near.shape).double().cpu().numpy()
    # Points that coincide are joined by an edge of no length, which a sparse matrix would not hold.
    return np.maximum(np.nan_to_num(length, nan=np.inf, posinf=np.inf), np.finfo(float).tiny)


def _routes(points: Tensor, near: Array, near_ends: Array, lengths: Array, to_ends: Array, t: Tensor) -> Tensor:
    """The paths of one model. Of its points the last 2 p are ends: pair i goes from n + i to n + p + i."""
    n, k = near.shape
    p = len(near_ends) // 2
    inner = np.repeat(np.arange(n), k), near.ravel()
    first, last = np.repeat(np.arange(n, n + p), k), np.repeat(np.arange(n + p, n + 2 * p), k)
    # Edges lead from a first end into the graph and from the graph to a last end, never back.
    rows = np.concatenate([*inner, first, near_ends[p:].ravel()])
    columns = np.concatenate([*inner[::-1], near_ends[:p].ravel(), last])
    values = np.concatenate([lengths.ravel(), lengths.ravel(), to_ends.ravel()])
    # A sparse matrix would add up the two entries of an edge that is in the graph both ways.
    _, once = np.unique(rows * (n + 2 * p) + columns, return_index=True)
    known = once[np.isfinite(values[once])]
    graph = csr_matrix((values[known], (rows[known], columns[known])), shape=(n + 2 * p, n + 2 * p))
    distance, before = dijkstra(graph, indices=np.arange(n, n + p), return_predecessors=True)
    return torch.stack([_path(points, n + i, n + p + i, distance[i], before[i], t) for i in range(p)])


def _path(points: Tensor, start: int, end: int, distance: Array, before: Array, t: Tensor) -> Tensor:
    stops = list(_stops(before, start, end))[::-1]
    if len(stops) == 1:
        return straight_lines(points[start], points[end], t)
    return _along(points[stops], torch.as_tensor(np.diff(distance[stops])).to(points), t.to(points))


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
