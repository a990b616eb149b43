from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize, rosen, rosen_der

from metrics.geodesics.quasi_newton import MEMORY, History, minimise


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unchanged(gradient, which):
    return gradient


def quadratics(c=5, n=4):
    root, shift = draw(c, n, n), draw(c, n, seed=1)
    A = root @ root.transpose(-1, -2) + torch.eye(n)

    def objective(x, which):
        offset = x - shift[which]
        g = (A[which] @ offset[..., None])[..., 0]
        return 1 + (offset * g).sum(-1) / 2, g

    return objective, A, shift


def test_the_right_inverse_hessian_needs_one_step():
    objective, A, shift = quadratics()

    def newton(gradient, which):
        return torch.linalg.solve(A[which], gradient)

    found = minimise(objective, torch.zeros_like(shift), newton, tolerance=1e-12)
    torch.testing.assert_close(found.x, shift)
    assert found.evaluations.tolist() == [2] * len(shift)
    assert found.converged.all()


def test_each_problem_ends_at_its_own_minimum():
    objective, _, shift = quadratics()
    found = minimise(objective, torch.zeros_like(shift), unchanged, tolerance=1e-14)
    torch.testing.assert_close(found.x, shift, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.value, torch.ones(len(shift)).double())


def test_agrees_with_scipy_on_rosenbrock_from_many_starts():
    start = draw(6, 3, seed=3)

    def objective(x, which):
        rows = x.numpy()
        return torch.tensor([1 + rosen(row) for row in rows]), torch.tensor(np.stack([rosen_der(row) for row in rows]))

    found = minimise(objective, start, unchanged, tolerance=1e-13, max_iterations=500)
    theirs = np.stack([minimize(rosen, row, jac=rosen_der, method="L-BFGS-B").x for row in start.numpy()])
    assert found.converged.all()
    np.testing.assert_allclose(found.x.numpy(), theirs, atol=1e-4)


def test_a_problem_in_a_batch_goes_the_same_way_as_alone():
    objective, _, shift = quadratics()
    together = minimise(objective, torch.zeros_like(shift), unchanged, tolerance=1e-8)
    for c in range(len(shift)):
        alone = minimise(
            lambda x, which, c=c: objective(x, which + c), torch.zeros_like(shift[:1]), unchanged, tolerance=1e-8
        )
        torch.testing.assert_close(alone.x[0], together.x[c], rtol=1e-10, atol=1e-12)
        assert alone.evaluations[0] == together.evaluations[c]


def test_a_search_that_goes_on_with_its_history_goes_as_if_it_had_not_stopped():
    objective, _, shift = quadratics(n=8)
    start = torch.zeros_like(shift)
    whole = minimise(objective, start, unchanged, tolerance=1e-14, max_iterations=7)
    first = minimise(objective, start, unchanged, tolerance=1e-14, max_iterations=4)
    kept = first.history.steps.clone()
    rest = minimise(objective, first.x, unchanged, tolerance=1e-14, max_iterations=3, history=first.history)
    torch.testing.assert_close(rest.x, whole.x)
    assert torch.equal(first.history.steps, kept)
    forgetful = minimise(objective, first.x, unchanged, tolerance=1e-14, max_iterations=3)
    assert (forgetful.value - whole.value > 1e-9).any()


def test_some_of_the_problems_go_on_as_all_would():
    objective, _, shift = quadratics(n=8)
    which = torch.tensor([3, 1])
    first = minimise(objective, torch.zeros_like(shift), unchanged, tolerance=1e-14, max_iterations=4)
    rest = minimise(objective, first.x, unchanged, tolerance=1e-10, history=first.history)
    some = first.of(which)
    found = minimise(lambda x, of: objective(x, which[of]), some.x, unchanged, tolerance=1e-10, history=some.history)
    torch.testing.assert_close(found.x, rest.x[which])
    assert torch.equal(found.evaluations, rest.evaluations[which])


def test_each_problem_forgets_its_own_oldest_steps():
    history = History.none(torch.zeros(2, 1))
    for step in range(MEMORY + 3):
        which = torch.tensor([0, 1] if step == 1 else [0])
        pair = torch.full((len(which), 1), float(step + 1))
        history = history.with_newest(which, pair, pair, pair[:, 0])
    busy, idle = history.steps[..., 0].unbind(-1)
    assert busy.tolist() == [float(step + 1) for step in range(3, MEMORY + 3)]
    assert idle[idle > 0].tolist() == [2.0]


def test_a_converged_problem_is_evaluated_no_more():
    objective, _, shift = quadratics()
    start = torch.zeros_like(shift)
    start[2] = shift[2]
    found = minimise(objective, start, unchanged, tolerance=1e-10)
    assert found.evaluations[2] == 1
    assert (found.evaluations[[0, 1, 3, 4]] > 1).all()


def test_a_wall_of_nan_is_stepped_back_from():
    def objective(x, which):
        value = torch.where(x[:, 0] < 2, 1 + (x[:, 0] - 1) ** 2, torch.nan)
        return value, 2 * (x - 1)

    found = minimise(objective, torch.full((1, 1), -10.0).double(), lambda g, which: 5 * g, tolerance=1e-10)
    torch.testing.assert_close(found.x, torch.ones(1, 1).double(), atol=1e-4, rtol=0)


def test_what_cannot_be_decreased_is_frozen_and_said_to_be_unconverged():
    def objective(x, which):
        return torch.ones(len(x)).double(), torch.ones_like(x)

    found = minimise(objective, torch.zeros(2, 3).double(), unchanged)
    assert not found.converged.any()
    assert (found.evaluations < 10).all()
