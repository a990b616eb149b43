"""Geodesics of the metric that decoders pull back: all pairs of points, of all models, in one batch.

For M decoders f_m and a curve gamma with nodes z_i = gamma(i / T), Delta_mi = f_m(z_i+1) - f_m(z_i):

    energy   E = T sum_i 1/M sum_m |Delta_mi|^2            length   L = sum_i sqrt(1/M sum_m |Delta_mi|^2)

These are energy and length of the expected metric, the mean of the members' pullback metrics; L^2 <= E, with equality
for constant speed. A geodesic minimises E. The curve is a cubic spline in a basis that is orthonormal in H1, and
each coefficient vector is preconditioned by the mean metric along its starting curve, so that few steps of a
quasi-Newton method do, and most of these on a coarser grid in single precision.

Source: Syrota, Moreno-Munoz and Hauberg, Decoder ensembling for learned latent geometries, 2024, for the
expected metric; the published sum of jumps between random decoders, no distance, is `published_length`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metrics.ensembles import in_single_precision
from metrics.geodesics.curve_energy import CurveEnergy, Images, straight_lines
from metrics.geodesics.latent_graph import shortest_paths
from metrics.geodesics.quasi_newton import History, Minimum, minimise
from metrics.geodesics.splines import CurveBasis, at_constant_speed
from metrics.geometry import Decoders, as_latent, evaluating, members_of, pullback_metric

# Points along the starting curve at which the metric is looked at for preconditioning.
_PROBES = 5
# Searches begin on a grid of so many segments, and of so many for each piece of a spline at least ...
_COARSE_SEGMENTS, _COARSE_SEGMENTS_A_PIECE = 32, 3
# ... where the grid asked for is so much finer that this saves anything.
_FINER = 1.5
# Of the length of so many lines: where single precision errs by more, it is too coarse even for this.
_SINGLE_ERROR, _COMPARED = 1e-3, 8
# Of the optimality gap there: the grid itself changes energies by more, so that closer minima are no better starts.
_COARSE_TOLERANCE = 3e-4
# How much longer than a line a curve of lower energy may be, because of the grid.
_GRID_ERROR = 1e-3
# Directions in which the metric is smaller than this share of its largest are not stretched any further.
_FLATTEST = 1e-3


@dataclass(frozen=True, eq=False)
class Geodesics:
    """Curves between pairs of latent points, found by minimising their energy.

    Attributes:
        z0, z1: end points (..., pairs, d).
        coefficients: of the spline added to the straight line (..., pairs, n_pieces + 1, d).
        basis: the splines.
        length: L of the curves (..., pairs), in data units; without the uncertainty term never more than
            `straight_length`.
        straight_length: L of the straight lines from z0 to z1.
        energy: E of the curves, in squared data units, without the uncertainty term.
        converged: whether the optimality gap is below the tolerance.
        optimality_gap: relative decrease of the minimised energy that the solver expected to be left.
        evaluations: how often each pair's energy and gradient was evaluated on the grid of the basis; what a coarser
            one took before is not counted.
    """

    z0: Tensor
    z1: Tensor
    coefficients: Tensor
    basis: CurveBasis
    length: Tensor
    straight_length: Tensor
    energy: Tensor
    converged: Tensor
    optimality_gap: Tensor
    evaluations: Tensor

    def curve(self, t: Tensor) -> Tensor:
        """Points of the curves at times t (n,) in [0, 1] -> (..., pairs, n, d)."""
        t = as_latent(t)
        return straight_lines(self.z0, self.z1, t) + self.basis.at(t).to(self.coefficients) @ self.coefficients

    def arrays(self) -> dict[str, np.ndarray]:
        """All there is of them by name, to be kept."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "basis"}
        found: dict[str, np.ndarray] = {name: values.cpu().numpy() for name, values in tensors.items()}
        return {**found, "n_segments": np.asarray(self.basis.n_segments)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray], device: torch.device) -> Geodesics:
        """What `arrays` gave, on a device."""
        tensors = {name: torch.as_tensor(values, device=device) for name, values in arrays.items()}
        n_segments, n_pieces = int(tensors.pop("n_segments")), tensors["coefficients"].shape[-2] - 1
        return cls(basis=CurveBasis(n_segments, n_pieces), **tensors)


def geodesics(
    decoders: Decoders,
    z0: Tensor,
    z1: Tensor,
    *,
    through: Tensor | None = None,
    uncertainty_weight: float = 0.0,
    n_segments: int = 64,
    n_pieces: int = 10,
    tolerance: float = 1e-4,
    max_iterations: int = 100,
) -> Geodesics:
    """Shortest curves between pairs of latent points.

    The search starts from the straight line, run through at constant speed. That is enough where the latent space
    has no holes. Where it has (a ring), or uncertainty is weighted, give points on the data: the search then starts
    from shortest paths over their neighbourhood graph as well, and the curve of lower energy is kept. Curves of many
    segments are searched for, and chosen, on a coarser grid, and where decoders are modules in single precision; only
    the chosen one is finished on that of n_segments, in the precision of z0.

    Args:
        decoders: one decoder, (..., n, d) -> (..., n, n_features), or a sequence of them (an ensemble).
        z0: first points (..., pairs, d), of the decoders' floating-point type. Leading axes are those that the
            decoders, stacks of models, map along.
        z1: last points (..., pairs, d).
        through: latent points on the data (..., n, d), such as the codes of the training rows; some hundreds do.
        uncertainty_weight: lambda >= 0 in E + lambda integral V dt, V the members' variance summed over
            features. Does not depend on T. (The published sampled energy amounts to 2 T^2.)
        n_segments: segments T of a curve. The polygon's length is too short by O(1 / T^2): for a half circle and the
            default by 0.01 %.
        n_pieces: pieces of a spline.
        tolerance: of the optimality gap at which a curve is done.
        max_iterations: steps of the solver at most, on each grid.

    Returns:
        Lengths, energies and curves, each pair with its own convergence.

    Raises:
        ValueError: shapes do not fit, there is no pair, a value is not finite, or an option is out of range.
    """
    z0, z1 = as_latent(z0), as_latent(z1)
    _check(z0, z1, through, uncertainty_weight, tolerance)
    basis = CurveBasis(n_segments, n_pieces)
    with evaluating(*members_of(decoders)):
        energy = CurveEnergy(decoders, basis, z0, z1, uncertainty_weight)
        draft = _draft(energy, decoders, z0, z1)
        line = _Line.between(energy, z0, z1)
        starts = [line.start]
        if through is not None:
            routes = shortest_paths(draft.images, as_latent(through).to(z0), z0, z1, energy.nodes)
            starts.append(energy.fit(routes.flatten(0, -3)))
        return _result(energy, z0, z1, line, _search(energy, draft, torch.stack(starts, 1), tolerance, max_iterations))


def curve_lengths(decoders: Decoders, points: Tensor) -> Tensor:
    """Lengths L of the polygons through latent points (..., curves, T + 1, d) -> (..., curves), in data units."""
    points = as_latent(points)
    with evaluating(*members_of(decoders)):
        return Images(decoders, points[..., 0, :1, :], only_distances=True).step_lengths(points).sum(-1)


def published_length(decoders: Decoders, points: Tensor, seed: int = 0) -> Tensor:
    """Legacy: sum of the jumps |f_k'(z_i+1) - f_k(z_i)| between members drawn anew at each node.

    As released with the ensembles. It grows in proportion to the number of nodes and is not 0 between equal
    points: no distance, and here only to reproduce published figures.

    Args:
        decoders: the members of an ensemble.
        points: nodes of curves (..., curves, T + 1, d).
        seed: of the draws.

    Returns:
        (..., curves), in data units.
    """
    points = as_latent(points)
    generator = torch.Generator().manual_seed(seed)
    with evaluating(*members_of(decoders)):
        images = Images(decoders, points[..., 0, :1, :], only_distances=False)
        n_members = len(images.members)
        drawn = torch.randint(n_members, points.shape[:-1], generator=generator).to(points.device)
        return images.jumps(points, drawn).sum(-1)


class _Line(NamedTuple):
    """The straight lines, as what is searched from and compared with.

    Attributes:
        start: coefficients to search from (c, K d): the line at constant speed, or as it is where that is lower.
        length: of the lines (..., pairs). energy: at constant parameter speed (..., pairs).
    """

    start: Tensor
    length: Tensor
    energy: Tensor

    @classmethod
    def between(cls, energy: CurveEnergy, z0: Tensor, z1: Tensor) -> _Line:
        pairs, lengths_of = z0.shape[:-1], energy.images.step_lengths
        steps = lengths_of(straight_lines(z0, z1, energy.nodes))
        place = at_constant_speed(steps.flatten(0, -2), energy.nodes)
        constant = energy.z0[:, None] + place[..., None] * (energy.z1 - energy.z0)[:, None]
        start = energy.fit(constant)
        # A spline cannot follow where the speed jumps; it may then cost more than the line as it is.
        fitted = lengths_of(energy.points(start).unflatten(0, pairs)).square().sum(-1).flatten()
        start = torch.where((fitted < steps.square().sum(-1).flatten())[:, None], start, 0.0)
        length = lengths_of(constant.unflatten(0, pairs)).sum(-1)
        return cls(start, length, energy.basis.n_segments * steps.square().sum(-1))


def _draft(energy: CurveEnergy, decoders: Decoders, z0: Tensor, z1: Tensor) -> CurveEnergy:
    """The same energies on a coarser grid, in single precision where that can be had; themselves on a coarse grid."""
    basis = energy.basis
    n_coarse = max(_COARSE_SEGMENTS, _COARSE_SEGMENTS_A_PIECE * basis.n_pieces)
    if basis.n_segments < _FINER * n_coarse:
        return energy
    coarse = energy.on(basis.on(n_coarse))
    if z0.dtype == torch.float32:
        return coarse
    single = [in_single_precision(member, z0[..., :1, :]) for member in members_of(decoders)]
    known = [member for member in single if member is not None]
    if len(known) < len(single):
        return coarse
    draft = CurveEnergy(known, coarse.basis, z0.float(), z1.float(), energy.uncertainty_weight)
    lines = straight_lines(z0[..., :_COMPARED, :], z1[..., :_COMPARED, :], coarse.nodes)
    exact, found = coarse.images.step_lengths(lines), draft.images.step_lengths(lines.float())
    # Of each model by itself: neither its neighbours' lengths nor their being no numbers shall decide for it.
    error, size = (found - exact).abs().mean((-1, -2)), exact.mean((-1, -2))
    return draft if ((error <= _SINGLE_ERROR * size) | ~size.isfinite()).all() else coarse


def _search(energy: CurveEnergy, draft: CurveEnergy, starts: Tensor, tolerance: float, max_iterations: int) -> Minimum:
    """The minimum of each curve that was lowest in the draft, of those found from the starts (c, s, K d)."""
    if draft is energy:
        return _descend(energy, starts, tolerance, max_iterations)
    rough = _descend(draft, starts.to(draft.z0), max(tolerance, _COARSE_TOLERANCE), max_iterations)
    # The functions are the same on both grids: what is known of the Hessian holds on.
    return _descend(energy, rough.x[:, None].to(starts), tolerance, max_iterations, rough.history.to(starts))


def _descend(
    energy: CurveEnergy, starts: Tensor, tolerance: float, max_iterations: int, history: History | None = None
) -> Minimum:
    """The lowest minimum of each curve, of those found from its starts (c, s, K d), all in lock-step."""
    c, s, _ = starts.shape
    curve = torch.arange(c, device=starts.device).repeat_interleave(s)
    start, d = starts.flatten(0, 1), energy.z0.shape[-1]
    inverse = _inverse_metric(energy, energy.points(start, curve))

    def objective(coefficients: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        return energy(coefficients, curve[which])

    def inverse_hessian(gradient: Tensor, which: Tensor) -> Tensor:
        return (gradient.unflatten(-1, (-1, d)) @ inverse[which] / 2).flatten(1)

    found = minimise(
        objective, start, inverse_hessian, tolerance=tolerance, max_iterations=max_iterations, history=history
    )
    lowest = found.value.nan_to_num(torch.inf).reshape(c, s).argmin(1) + s * torch.arange(c, device=starts.device)
    return found.of(lowest)._replace(evaluations=found.evaluations.reshape(c, s).sum(1))


def _inverse_metric(energy: CurveEnergy, curves: Tensor) -> Tensor:
    """Inverse of the mean metric along each of the curves (c, T + 1, d) -> (c, d, d)."""
    n, d = curves.shape[1:]
    # The metric costs as much as 1 + d images; no more than an evaluation of the energy shall be spent on it.
    n_probes = max(1, min(_PROBES, 2 * n // (1 + d)))
    at = torch.linspace(0, n - 1, n_probes + 2)[1:-1].long()
    points = curves[:, at].reshape(*energy.lead, -1, d)
    with torch.no_grad():
        G = pullback_metric(energy.images.members, points).reshape(len(curves), n_probes, d, d).mean(1)
    # Where the decoder gives no number, the curve's energy says so; its metric must not stop the others.
    unknown = ~G.isfinite().all(-1).all(-1)
    G = torch.where(unknown[:, None, None], torch.eye(d, dtype=G.dtype, device=G.device), G)
    eigenvalues, axes = torch.linalg.eigh(G)
    floor = (_FLATTEST * eigenvalues[:, -1:]).clamp_min(torch.finfo(G.dtype).tiny)
    return axes / torch.maximum(eigenvalues, floor).unsqueeze(-2) @ axes.transpose(-1, -2)


def _result(energy: CurveEnergy, z0: Tensor, z1: Tensor, line: _Line, found: Minimum) -> Geodesics:
    pairs = z0.shape[:-1]
    steps = energy.images.step_lengths(energy.points(found.x).unflatten(0, pairs))
    length, squared = steps.sum(-1), energy.basis.n_segments * steps.square().sum(-1)
    converged, x = found.converged.reshape(pairs), found.x
    if not energy.uncertainty_weight:
        # Products round the image of one point differently from row to row; it is at no distance from itself.
        still = (z0 == z1).all(-1) & length.isfinite()
        line = line._replace(**{name: getattr(line, name).masked_fill(still, 0.0) for name in ("length", "energy")})
        length, converged = length.masked_fill(still, 0.0), converged | still
        squared, x = squared.masked_fill(still, 0.0), torch.where(still.flatten()[:, None], 0.0, x)
        # Where the search ended in a longer curve than the line, the line is the better answer.
        worse = length > line.length * (1 + _GRID_ERROR)
        x = torch.where(worse.flatten()[:, None], 0.0, x)
        squared, converged = torch.where(worse, line.energy, squared), converged & ~worse
        length = torch.where(length > line.length, line.length, length)
    return Geodesics(
        z0, z1, x.unflatten(-1, (-1, z0.shape[-1])).unflatten(0, pairs), energy.basis,
        length=length,
        straight_length=line.length,
        energy=squared,
        converged=converged,
        optimality_gap=found.gap.reshape(pairs),
        evaluations=found.evaluations.reshape(pairs),
    )  # fmt: skip


def _check(z0: Tensor, z1: Tensor, through: Tensor | None, uncertainty_weight: float, tolerance: float) -> None:
    if z0.shape != z1.shape or z0.ndim < 2 or z0.numel() == 0:
        raise ValueError(
            f"z0 and z1 must both have shape (..., pairs, d) with a pair at least, got {tuple(z0.shape)} and "
            f"{tuple(z1.shape)}"
        )
    if through is not None:
        shape = tuple(as_latent(through).shape)
        if shape[:-2] != z0.shape[:-2] or shape[-1] != z0.shape[-1] or shape[-2] < 2:
            raise ValueError(f"through must have shape (..., n, d) with n > 1, got {shape} beside z0 {tuple(z0.shape)}")
    if not (z0.isfinite().all() and z1.isfinite().all()):
        raise ValueError("z0 or z1 has values that are not finite")
    if not 0 <= uncertainty_weight < float("inf"):
        raise ValueError(f"uncertainty_weight = {uncertainty_weight} must be finite and at least 0")
    if not tolerance > 0:
        raise ValueError(f"tolerance = {tolerance} must be positive")
