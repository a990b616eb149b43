"""Many small independent minimisations in lock-step: batched L-BFGS, each problem with its own line search."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

# (points (a, n), which of the problems they belong to (a,)) -> values (a,), gradients (a, n)
Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
# (gradients (a, n), which (a,)) -> an approximate inverse Hessian applied to them (a, n)
InverseHessian = Callable[[Tensor, Tensor], Tensor]

SUFFICIENT_DECREASE = 1e-4
MAX_TRIES = 6
# Pairs of steps and gradient changes of a problem that are kept.
MEMORY = 16


class History(NamedTuple):
    """What c problems have shown of their Hessians, oldest first.

    Attributes:
        steps: from point to point (m, c, n), m <= MEMORY. changes: of the gradient over them (m, c, n).
        curvature: 1 / (step . change) (m, c); 0 marks a pair that is not there.
    """

    steps: Tensor
    changes: Tensor
    curvature: Tensor

    @classmethod
    def none(cls, x: Tensor) -> History:
        """Of problems at points (c, n) that have made no step."""
        nothing = x.new_zeros(0, *x.shape)
        return cls(nothing, nothing, nothing[..., 0])

    def of(self, which: Tensor) -> History:
        """That of some of the problems (a,)."""
        return History(*(part[:, which] for part in self))

    def to(self, x: Tensor) -> History:
        """In the precision of points x."""
        return History(*(part.to(x) for part in self))

    def with_newest(self, which: Tensor, step: Tensor, change: Tensor, curvature: Tensor) -> History:
        """One pair more of the problems `which` (a,), whose oldest goes where there are MEMORY."""
        room = int(len(self.steps) < MEMORY)
        longer = History(*(torch.cat([part.new_zeros(room, *part.shape[1:]), part]) for part in self))
        for kept, newest in zip(longer, (step, change, curvature), strict=True):
            kept[:, which] = torch.cat([kept[1:, which], newest[None]])
        return longer


class Minimum(NamedTuple):
    """Where each of c problems ended.

    Attributes:
        x: points (c, n). value: their values (c,).
        gap: predicted relative decrease that was left, 1/2 g^T H g / value (c,).
        converged: whether that is below the tolerance (c,).
        evaluations: how often each value and gradient was evaluated (c,).
        history: of their steps.
    """

    x: Tensor
    value: Tensor
    gap: Tensor
    converged: Tensor
    evaluations: Tensor
    history: History

    def of(self, which: Tensor) -> Minimum:
        """Where some of the problems (a,) ended."""
        return Minimum(
            self.x[which], self.value[which], self.gap[which], self.converged[which], self.evaluations[which],
            self.history.of(which),
        )  # fmt: skip


def minimise(
    objective: Objective,
    start: Tensor,
    inverse_hessian: InverseHessian,
    *,
    tolerance: float = 1e-4,
    max_iterations: int = 100,
    history: History | None = None,
) -> Minimum:
    """Minimise c independent functions of n variables, all at once.

    Each problem has its own history, step length and end: one that has converged, cannot be decreased further or has
    no finite value is frozen and evaluated no more. Values are taken to be non-negative, zero being a minimum.

    Args:
        objective: values and gradients of some of the problems.
        start: starting points (c, n).
        inverse_hessian: first guess of the inverse Hessian, applied to gradients.
        tolerance: of the predicted relative decrease.
        max_iterations: steps of a problem at most.
        history: of an earlier search for the same minima, or for those of functions much like these, to go on with.

    Source: Liu and Nocedal, On the limited memory BFGS method, 1989; Armijo backtracking by quadratic interpolation.
    """
    known = History.none(start) if history is None else history
    return _Minimiser(objective, start, inverse_hessian, known).run(tolerance, max_iterations)


class _Minimiser:
    def __init__(self, objective: Objective, start: Tensor, inverse_hessian: InverseHessian, known: History) -> None:
        self.objective, self.inverse_hessian = objective, inverse_hessian
        everything = torch.arange(len(start), device=start.device)
        self.x = start.clone()
        self.value, self.gradient = objective(self.x, everything)
        self.evaluations = torch.ones_like(everything)
        self.gap = torch.full_like(self.value, torch.inf)
        self.history = known
        self.active = everything

    def run(self, tolerance: float, max_iterations: int) -> Minimum:
        for iteration in range(max_iterations + 1):
            direction, slope = self._directions()
            value = self.value[self.active]
            gap = torch.where(value == 0, torch.zeros_like(value), -slope / 2 / value)
            self.gap[self.active] = gap
            # Where the value is not a number there is nothing to go on with, and nothing has converged.
            going_on = gap > tolerance
            self.active = self.active[going_on]
            if not len(self.active) or iteration == max_iterations:
                break
            self._search(direction[going_on], slope[going_on])
        return Minimum(self.x, self.value, self.gap, self.gap <= tolerance, self.evaluations, self.history)

    def _directions(self) -> tuple[Tensor, Tensor]:
        """A descent direction for each active problem, by the two-loop recursion, and the slopes along them."""
        g = self.gradient[self.active]
        pairs = list(zip(*self.history.of(self.active), strict=True))
        q, weights = g, []
        for step, change, curvature in reversed(pairs):
            weights.append(curvature * (step * q).sum(-1))
            q = q - weights[-1][:, None] * change
        p = self.inverse_hessian(q, self.active)
        for (step, change, curvature), weight in zip(pairs, reversed(weights), strict=True):
            p = p + (weight - curvature * (change * p).sum(-1))[:, None] * step
        return -p, -(p * g).sum(-1)

    def _search(self, direction: Tensor, slope: Tensor) -> None:
        """One accepted step of each active problem; those that find none are frozen."""
        start, value, gradient = self.x[self.active], self.value[self.active], self.gradient[self.active]
        length = torch.ones_like(slope)
        pending = torch.arange(len(self.active), device=slope.device)
        noise = 10 * torch.finfo(value.dtype).eps * value
        for _ in range(MAX_TRIES):
            which = self.active[pending]
            trial = start[pending] + length[pending, None] * direction[pending]
            found, found_gradient = self.objective(trial, which)
            self.evaluations[which] += 1
            expected = length[pending] * slope[pending]
            excess = found - value[pending]
            good = excess <= SUFFICIENT_DECREASE * expected + noise[pending]
            self.x[which[good]], self.value[which[good]] = trial[good], found[good]
            self.gradient[which[good]] = found_gradient[good]
            # The minimum of the parabola through the value, the slope and the failed trial.
            shrink = (-expected / (2 * (excess - expected))).nan_to_num(0.1).clamp(0.1, 0.5)
            length[pending] *= shrink
            pending = pending[~good]
            if not len(pending):
                break
        moved = torch.ones_like(slope, dtype=torch.bool)
        moved[pending] = False
        self._remember(self.x[self.active] - start, self.gradient[self.active] - gradient)
        self.active = self.active[moved]

    def _remember(self, step: Tensor, change: Tensor) -> None:
        product = (step * change).sum(-1)
        scale = step.norm(dim=-1) * change.norm(dim=-1)
        curved = product > 1e-8 * scale
        curvature = torch.where(curved, 1 / product, torch.zeros_like(product))
        self.history = self.history.with_newest(self.active, step, change, curvature)
