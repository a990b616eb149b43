"""Energy, length and uncertainty of many curves in the latent spaces of many decoders, in bounded memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from metrics.ensembles import shortened, together
from metrics.geodesics.splines import CurveBasis
from metrics.geometry import Decoder, Decoders, members_of, widest_layer

# So many numbers of the widest layer are computed at a time. On a CPU they shall stay near its caches; a GPU shall
# be filled.
_NUMBERS_AT_ONCE = {"cpu": 1 << 20}
_NUMBERS_AT_ONCE_ELSEWHERE = 1 << 26


class CurveEnergy:
    """The energies of curves gamma = line from z0 to z1 + spline, as functions of the splines' coefficients.

    Curves are one flat list: those of the first model, of the second, and so on. Each is a problem of its own, so that
    some of them can be evaluated without the others.

    Args:
        decoders: one, or the members of an ensemble.
        basis: the splines.
        z0, z1: end points (..., pairs, d).
        uncertainty_weight: lambda in E + lambda integral V dt.
    """

    def __init__(
        self, decoders: Decoders, basis: CurveBasis, z0: Tensor, z1: Tensor, uncertainty_weight: float = 0.0
    ) -> None:
        self.uncertainty_weight = uncertainty_weight
        self.lead, self.n_pairs = z0.shape[:-2], z0.shape[-2]
        self.z0, self.z1 = z0.flatten(0, -2), z1.flatten(0, -2)
        self._measure_on(basis)
        # The uncertainty is of the images themselves, the energy only of their distances.
        self.images = Images(decoders, z0[..., :1, :], only_distances=uncertainty_weight == 0)

    def on(self, basis: CurveBasis) -> CurveEnergy:
        """The energies of these curves on the grid of another basis."""
        other = copy.copy(self)
        other._measure_on(basis)
        return other

    def _measure_on(self, basis: CurveBasis) -> None:
        self.basis, self.nodes, self.design = basis, basis.nodes.to(self.z0), basis.design.to(self.z0)

    def points(self, coefficients: Tensor, which: Tensor | slice = slice(None)) -> Tensor:
        """The nodes (a, T + 1, d) of the curves `which`, all by default, with coefficients (a, K d)."""
        line = straight_lines(self.z0[which], self.z1[which], self.nodes)
        return line + self.design @ coefficients.unflatten(-1, (-1, self.z0.shape[-1]))

    def fit(self, points: Tensor) -> Tensor:
        """Coefficients (c, K d) of the curves nearest to nodes (c, T + 1, d)."""
        return self.basis.fit(points - straight_lines(self.z0, self.z1, self.nodes)).flatten(1)

    def __call__(self, coefficients: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """Energies of the curves `which` (a,) with coefficients (a, K d), and their gradients (a, K d)."""
        values, gradients = torch.empty_like(coefficients[:, 0]), torch.empty_like(coefficients)
        for at, real in self._blocks(which):
            value, gradient = self.of_points(self.points(coefficients[at], which[at]))
            values[at[real]] = value[real]
            gradients[at[real]] = (self.design.T @ gradient).flatten(1)[real]
        return values, gradients

    def of_points(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Energies of curves through points (b, T + 1, d), and their gradients in the points."""
        n_segments = self.basis.n_segments
        value, gradient = torch.zeros_like(points[:, 0, 0]), torch.zeros_like(points)
        for group, share in self.images.groups:
            with torch.enable_grad():
                at = points.detach().requires_grad_()
                images = self._by_model(group, at)
                energy = n_segments * share * images.diff(dim=-2).square().sum((-1, -2)).sum(0)
                if self.uncertainty_weight:
                    spread = images.var(0, correction=0).sum(-1)
                    energy = energy + self.uncertainty_weight * torch.trapezoid(spread, dx=1 / n_segments)
                (pulled,) = torch.autograd.grad(energy.sum(), at)
            value += energy.detach()
            gradient += pulled
        return value, gradient

    def _by_model(self, group: Decoder, points: Tensor) -> Tensor:
        """Images (m, b, T + 1, k) of points (b, T + 1, d), b curves being as many of each model."""
        b, n, d = points.shape
        images = group(points.reshape(*self.lead, -1, d))
        return images.reshape(len(images), b, n, -1)

    def _blocks(self, which: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Positions in `which`, as many of each model, and which of them are no padding."""
        n_models = len(self.z0) // self.n_pairs
        model = torch.div(which, self.n_pairs, rounding_mode="floor")
        counts = torch.bincount(model, minlength=n_models)
        position = torch.arange(len(which), device=which.device)
        slot = position - (counts.cumsum(0) - counts)[model]
        table = which.new_zeros(n_models, int(counts.max()))
        real = torch.zeros_like(table, dtype=torch.bool)
        table[model, slot], real[model, slot] = position, True
        curves = max(1, self.images.at_once // (len(self.nodes) * n_models))
        for at, mask in zip(table.split(curves, -1), real.split(curves, -1), strict=True):
            yield at.flatten(), mask.flatten()


class Images:
    """What decoders make of latent points: M decoders, a few of them at a time.

    Members are evaluated one after the other on a CPU, where that is fastest, and together on a GPU, which one
    would not fill, or where their images are compared.

    Attributes:
        dtype: of the points that they take.
        groups: decoders (..., n, d) -> (m, ..., n, k) with the share 1 / M of each member in a mean.
        at_once: points to evaluate at a time, of all models.
    """

    def __init__(self, decoders: Decoders, z: Tensor, *, only_distances: bool) -> None:
        members = members_of(decoders)
        if only_distances:
            members = [shortened(member, z) for member in members]
        one_by_one = only_distances and z.device.type == "cpu"
        groups = [[member] for member in members] if one_by_one else [members]
        self.groups = [(together(group), 1 / len(members)) for group in groups]
        self.members, self.dtype = members, z.dtype
        of_a_point = max(widest_layer(member, z) for member in members) // z.shape[:-1].numel()
        numbers = _NUMBERS_AT_ONCE.get(z.device.type, _NUMBERS_AT_ONCE_ELSEWHERE)
        self.at_once = max(1, numbers // (of_a_point * len(groups[0])))

    def step_lengths(self, points: Tensor) -> Tensor:
        """Expected-metric lengths of the segments of polygons (..., curves, n + 1, d) -> (..., curves, n)."""
        with torch.no_grad():
            parts = points.split(self._curves_at_once(points), dim=-3)
            return torch.cat([self._steps(part) for part in parts], dim=-2)

    def _curves_at_once(self, points: Tensor) -> int:
        """How many of the curves (..., curves, n + 1, d) of each model to evaluate at a time."""
        return max(1, self.at_once // (points.shape[:-3].numel() * points.shape[-2]))

    def edge_lengths(self, points: Tensor, edges: Tensor, n_chords: int) -> Tensor:
        """Expected-metric lengths (..., e) of straight edges between points (..., n, d), each as so many chords.

        An end is evaluated once, however many edges meet there, and the images of all points are held.

        Args:
            edges: numbers of the points that they join (..., e, 2).
        """
        with torch.no_grad():
            chords = [share * self._squared_chords(group, points, edges, n_chords) for group, share in self.groups]
        return torch.stack(chords).sum(0).sqrt().sum(-1)

    def _squared_chords(self, group: Decoder, points: Tensor, edges: Tensor, n_chords: int) -> Tensor:
        """Squared lengths (..., e, n_chords), summed over the members of a group."""
        at_once = max(1, self.at_once // points.shape[:-2].numel())
        images = torch.cat([group(part) for part in points.split(at_once, -2)], -2)
        blocks = edges.split(max(1, at_once // n_chords), -2)
        along = (_along_edges(group, points, images, block, n_chords) for block in blocks)
        return torch.cat([part.diff(dim=-2).square().sum((0, -1)) for part in along], -2)

    def jumps(self, points: Tensor, drawn: Tensor) -> Tensor:
        """|f_b(z_i+1) - f_a(z_i)| for members drawn (..., curves, n + 1) at the nodes (..., curves, n + 1, d)."""
        per_block = self._curves_at_once(points)
        blocks = zip(points.split(per_block, dim=-3), drawn.split(per_block, dim=-2), strict=True)
        with torch.no_grad():
            return torch.cat([self._jumps(part, of_part) for part, of_part in blocks], dim=-2)

    def _jumps(self, points: Tensor, drawn: Tensor) -> Tensor:
        images = torch.cat([group(points.flatten(-3, -2)) for group, _ in self.groups])
        chosen = torch.take_along_dim(images, drawn.flatten(-2)[None, ..., None], 0)[0]
        return chosen.unflatten(-2, points.shape[-3:-1]).diff(dim=-2).norm(dim=-1)

    def _steps(self, points: Tensor) -> Tensor:
        squared = torch.zeros_like(points[..., 1:, 0])
        for group, share in self.groups:
            images = group(points.flatten(-3, -2)).unflatten(-2, points.shape[-3:-1])
            squared += share * images.diff(dim=-2).square().sum((0, -1))
        return squared.sqrt()


def _along_edges(group: Decoder, points: Tensor, images: Tensor, edges: Tensor, n_chords: int) -> Tensor:
    """Images (m, ..., e, n_chords + 1, k) along edges between points whose own images (m, ..., n, k) are known."""
    start, end = edges.unbind(-1)
    inner = straight_lines(_rows(points, start), _rows(points, end), torch.linspace(0, 1, n_chords + 1)[1:-1])
    between = group(inner.flatten(-3, -2)).unflatten(-2, inner.shape[-3:-1])
    first, last = (_rows(images, which).unsqueeze(-2) for which in (start, end))
    return torch.cat([first, between, last], -2)


def _rows(points: Tensor, which: Tensor) -> Tensor:
    """The points (..., a, d) of some numbers (..., a), among points (..., n, d) that may have more axes in front."""
    return torch.take_along_dim(points, which[..., None].expand(*points.shape[:-2], -1, 1), -2)


def straight_lines(z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
    """z0 + t (z1 - z0) for end points (..., d) and times (n,) -> (..., n, d)."""
    return z0.unsqueeze(-2) + t.to(z0)[:, None] * (z1 - z0).unsqueeze(-2)
