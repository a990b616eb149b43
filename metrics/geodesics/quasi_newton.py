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


class Minimum(NamedTuple):
    """Where each of c problems ended.

    Attributes:
        x: points (c, n). value: their values (c,).
        gap: predicted relative decrease that was left, 1/2 g^T H g / value (c,).
        converged: whether that is below the tolerance (c,).
        evaluations: how often each value and gradient was evaluated (c,).
    """

    x: Tensor
    value: Tensor
    gap: Tensor
    converged: Tensor
    evaluations: Tensor


def minimise(
    objective: Objective,
    start: Tensor,
    inverse_hessian: InverseHessian,
    *,
    tolerance: float = 1e-4,
    max_iterations: int = 100,
    memory: int = 8,
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
        memory: pairs of steps and gradient changes kept.

    Source: Liu and Nocedal, On the limited memory BFGS method, 1989; Armijo backtracking by quadratic interpolation.
    """
    return _Minimiser(objective, start, inverse_hessian, memory).run(tolerance, max_iterations)


class _Minimiser:
    def __init__(self, objective: Objective, start: Tensor, inverse_hessian: InverseHessian, memory: int) -> None:
        self.objective, self.inverse_hessian = objective, inverse_hessian
        everything = torch.arange(len(start), device=start.device)
        self.x = start.clone()
        self.value, self.gradient = objective(self.x, everything)
        self.evaluations = torch.ones_like(everything)
        self.gap = torch.full_like(self.value, torch.inf)
        self.steps = start.new_zeros(memory, *start.shape)
        self.changes = torch.zeros_like(self.steps)
        # 1 / (step . change); 0 marks a pair that is not there.
        self.curvature = start.new_zeros(memory, len(start))
        self.next_pair = 0
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
        return Minimum(self.x, self.value, self.gap, self.gap <= tolerance, self.evaluations)

    def _directions(self) -> tuple[Tensor, Tensor]:
        """A descent direction for each active problem, by the two-loop recursion, and the slopes along them."""
        g = self.gradient[self.active]
        steps, changes, curvature = (part[:, self.active] for part in (self.steps, self.changes, self.curvature))
        newest_first = [(self.next_pair - 1 - age) % len(steps) for age in range(len(steps))]
        q, weights = g, {}
        for k in newest_first:
            weights[k] = curvature[k] * (steps[k] * q).sum(-1)
            q = q - weights[k][:, None] * changes[k]
        p = self.inverse_hessian(q, self.active)
        for k in reversed(newest_first):
            p = p + (weights[k] - curvature[k] * (changes[k] * p).sum(-1))[:, None] * steps[k]
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
        self.steps[self.next_pair, self.active] = step
        self.changes[self.next_pair, self.active] = change
        self.curvature[self.next_pair, self.active] = torch.where(curved, 1 / product, torch.zeros_like(product))
        self.next_pair = (self.next_pair + 1) % len(self.steps)
