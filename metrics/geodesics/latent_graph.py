"""Shortest paths over the neighbourhood graph of latent points, measured in the data space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from metrics.geodesics.curve_energy import Images

Array = np.ndarray

N_NEIGHBORS = 10
# An edge's length is that of so many chords along it.
_CHORDS = 4


def shortest_paths(images: Images, through: Tensor, z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
    """Points at times t (T + 1,) of constant-speed paths from z0 to z1 over the graph of nearest neighbours.

    The graph is of the given points alone; the ends of a path enter and leave it at their nearest ones, so that a
    path depends on no other pair.

    Args:
        images: what the decoders make of latent points.
        through: latent points on the data (..., n, d).
        z0, z1: end points (..., pairs, d).
        t: times in [0, 1].

    Returns:
        (..., pairs, T + 1, d); the straight line where the graph does not connect a pair.
    """
    n, p = through.shape[-2], z0.shape[-2]
    points = torch.cat([through, z0, z1], dim=-2)
    models = points.reshape(-1, *points.shape[-2:]).double().cpu().numpy()
    edges = [_edges(model, n) for model in models]
    lengths = _lengths(images, points, edges)
    graphs = [_graph(*of_model, n, n + 2 * p) for of_model in zip(edges, lengths, strict=True)]
    paths = [_paths(*of_model, p, t.cpu().numpy()) for of_model in zip(models, graphs, strict=True)]
    return torch.as_tensor(np.stack(paths)).to(z0).reshape(*z0.shape[:-1], len(t), -1)


def _edges(points: Array, n: int) -> Array:
    """Edges (e, 2) of one model, each once: among its first n points, and of the ends to their nearest among those.

    They lead from a first end into the graph and from the graph to a last end, never back.
    """
    near = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, n - 1)).fit(points[:n])
    among = _joined(np.arange(n), near.kneighbors(return_distance=False))
    ends = _joined(np.arange(n, len(points)), near.kneighbors(points[n:], return_distance=False))
    first, last = np.split(ends, 2)
    return np.concatenate([np.unique(np.sort(among, axis=1), axis=0), first, last[:, ::-1]])


def _joined(start: Array, ends: Array) -> Array:
    """Edges (m k, 2) from points (m,) to each one's ends (m, k)."""
    return np.stack([np.repeat(start, ends.shape[1]), ends.ravel()], axis=1)


def _lengths(images: Images, points: Tensor, edges: Sequence[Array]) -> list[Array]:
    """Lengths of the edges of each model, among points (..., n + 2 p, d)."""
    # Where a model has fewer edges than another, edges from a point to itself fill up.
    padded = pad_sequence([torch.as_tensor(own) for own in edges], batch_first=True).to(points.device)
    found = images.edge_lengths(points.to(images.dtype), padded.reshape(*points.shape[:-2], -1, 2), _CHORDS)
    lengths = found.reshape(len(edges), -1).double().cpu().numpy()
    # Points that coincide are joined by an edge of no length, which a sparse matrix would not hold.
    known = np.maximum(np.nan_to_num(lengths, nan=np.inf, posinf=np.inf), np.finfo(float).tiny)
    return [row[: len(own)] for row, own in zip(known, edges, strict=True)]


def _graph(edges: Array, lengths: Array, n: int, n_points: int) -> csr_matrix:
    """Lengths from point to point of one model; edges among the first n of its points are gone along both ways."""
    known = np.isfinite(lengths)
    edges, lengths = edges[known], lengths[known]
    both_ways = (edges < n).all(axis=1)
    rows, columns = np.concatenate([edges, edges[both_ways, ::-1]]).T
    return csr_matrix((np.concatenate([lengths, lengths[both_ways]]), (rows, columns)), (n_points, n_points))


def _paths(points: Array, graph: csr_matrix, p: int, t: Array) -> Array:
    """The paths (p, T + 1, d) of one model, whose last 2 p points are ends: pair i goes from n + i to n + p + i."""
    n = len(points) - 2 * p
    distance, before = dijkstra(graph, indices=np.arange(n, n + p), return_predecessors=True)
    return np.stack([_path(points, n + i, n + p + i, distance[i], before[i], t) for i in range(p)])


def _path(points: Array, start: int, end: int, distance: Array, before: Array, t: Array) -> Array:
    stops = list(_stops(before, start, end))[::-1]
    if len(stops) == 1:
        return _along(points[[start, end]], np.array([0.0, 1.0]), t)
    return _along(points[stops], distance[stops], t)


def _stops(before: Array, start: int, end: int) -> Iterator[int]:
    """The points of a path from its end back to its start; only the end where there is no path."""
    at = end
    yield at
    while at != start and before[at] >= 0:
        at = int(before[at])
        yield at


def _along(vertices: Array, travelled: Array, t: Array) -> Array:
    """Points (T + 1, d) at constant speed of a polygon, by the way (n + 1,) that leads to its vertices (n + 1, d)."""
    place = np.interp(t * travelled[-1], travelled, np.arange(len(travelled)))
    first = np.minimum(place.astype(int), len(travelled) - 2)
    within = (place - first)[:, None]
    return (1 - within) * vertices[first] + within * vertices[first + 1]
