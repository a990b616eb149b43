from __future__ import annotations

import numpy as np
import pytest
import torch

from datasets.curves import SinCurve
from methods.autoencoder import Autoencoder
from methods.nrae import NRAEL, NRAEQ
from methods.training.problem import Rows
from methods.training.streams import Streams
from metrics.neighbors import nearest_neighbours


def loss_of(method, x: torch.Tensor, near: torch.Tensor, weight: float, model=None) -> tuple[dict, object, dict]:
    """The method's terms on a batch of all rows of x, the model they are of, and the random numbers used."""
    from methods.nrae import NeighbourhoodReconstruction

    model = model or method._build(x.shape[1], [torch.Generator().manual_seed(0)])
    problem = NeighbourhoodReconstruction(method, x)
    draws = problem.draws(Streams([0], torch.device("cpu")), len(x))
    batch = Rows({"x": x, "near": near}).take(torch.arange(len(x))[None])
    return problem.losses(model, batch, draws, {"neighbor_weight": torch.tensor([weight])}), model, draws


def points(n: int = 9, d: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(1))
    return x, torch.as_tensor(nearest_neighbours(x.numpy(), 3))


@pytest.mark.parametrize("latent_dim", [1, 2])
@pytest.mark.parametrize("component", [NRAEL, NRAEQ])
def test_the_loss_is_the_papers_term_by_term(component, latent_dim):
    """Mean over batch and set of K |x_n - Taylor expansion|^2, derivatives by autodiff, one drawn neighbour."""
    x, near = points()
    method = component(latent_dim=latent_dim, n_neighbors=3, hidden=[5])
    terms, model, draws = loss_of(method, x, near, 0.25)
    encode = lambda rows: model["encoder"](rows[None])[0]  # noqa: E731
    decode = lambda code: model["decoder"](code[None, None])[0, 0]  # noqa: E731
    total = 0.0
    for row in range(len(x)):
        neighbour = near[row, draws["neighbour"][0, row].argsort()[0]]
        z, delta = encode(x)[row], encode(x)[neighbour] - encode(x)[row]
        nearby = decode(z) + torch.func.jacrev(decode)(z) @ delta
        if component is NRAEQ:
            nearby = nearby + 0.5 * torch.einsum("d,Dde,e->D", delta, torch.func.hessian(decode)(z), delta)
        total += (x[row] - decode(z)).square().sum() + 0.25 * (x[neighbour] - nearby).square().sum()
    torch.testing.assert_close(terms["loss"][0], total / (2 * len(x)))


def test_without_the_centre_the_weight_only_scales_the_loss():
    x, near = points()
    method = NRAEL(n_neighbors=3, hidden=[5], include_center=False, n_drawn=2, replace=True)
    one, model, _ = loss_of(method, x, near, 1.0)
    ten, _, _ = loss_of(method, x, near, 10.0, model)
    torch.testing.assert_close(10 * one["loss"], ten["loss"])


def test_neighbours_are_those_of_the_graph_and_differ_without_replacement():
    from methods.nrae import NeighbourhoodReconstruction

    near = torch.arange(40).view(1, 8, 5)
    uniform = torch.rand(1, 8, 5, generator=torch.Generator().manual_seed(0))
    drawn = NeighbourhoodReconstruction(NRAEL(n_neighbors=5, n_drawn=4), near)._choose(near, uniform)
    assert drawn.shape == (1, 8, 4)
    for row in range(8):
        assert len(set(drawn[0, row].tolist())) == 4 and set(drawn[0, row].tolist()) <= set(near[0, row].tolist())
    replacing = NRAEL(n_neighbors=5, n_drawn=7, replace=True)
    drawn = NeighbourhoodReconstruction(replacing, near)._choose(near, torch.rand(1, 8, 7))
    assert drawn.shape == (1, 8, 7) and set(drawn[0, 0].tolist()) <= set(near[0, 0].tolist())


def test_a_duplicate_row_is_a_neighbour_and_a_row_is_never_its_own():
    """The published code drops the first column of a distance matrix, which keeps a row and drops its twin."""
    x = np.array([[0.0, 0], [0, 0], [1, 0], [3, 0]])
    graph = nearest_neighbours(x, 1)
    assert graph[:, 0].tolist() == [1, 0, 0, 2]


@pytest.mark.parametrize(
    ("component", "preset", "n_features", "expected"),
    [
        (NRAEL, "published", 2, (527_361, 527_362)),
        (NRAEQ, "published-spiral", 2, (527_361, 527_362)),
        (NRAEL, "published-rotated", 784, (927_745, 928_528)),
        (NRAEQ, "published-shifted", 784, (927_745, 928_528)),
    ],
)
def test_published_presets_have_the_papers_networks(component, preset, n_features, expected):
    method = component(**{**component.presets[preset], "epochs": 1})
    method.fit(np.random.default_rng(0).random((24, n_features), dtype=np.float32))
    counted = tuple(sum(p.numel() for p in part.parameters()) for part in (method.encoder_, method.decoder_))
    assert counted == expected


def test_the_published_schedule_lowers_the_rate_in_the_last_fifth_alone():
    """Final rates 1.48e-5 (curves) and 1.22e-4 (images) of 1e-3, as reported."""
    for preset, final in (("published", 1.48e-5), ("published-rotated", 1.22e-4)):
        method = NRAEL(**NRAEL.presets[preset])
        factors = [method._schedule().rate_factor(epoch, method.epochs) for epoch in range(1, method.epochs + 1)]
        assert set(factors[: int(0.8 * method.epochs)]) == {1.0}
        assert 1e-3 * factors[-1] == pytest.approx(final, rel=0.01)
        assert factors == sorted(factors, reverse=True)


def error_on_a_noisy_sine(component, **own):
    """Mean squared error on the clean curve, after long training on noisy rows."""
    data = SinCurve().load()
    common = {"latent_dim": 1, "hidden": [64, 64], "activation": "elu", "learning_rate": 3e-3, "epochs": 1500}
    method = component(**common, batch_size=50, patience=None, **own)
    method.fit(data.X[data.train], X_val=data.X[data.validation])
    T = data.X[data.test]
    return np.mean((method.decode(method.encode(T)) - T) ** 2)


@pytest.fixture(scope="module")
def error_of_the_autoencoder():
    return error_on_a_noisy_sine(Autoencoder)


@pytest.mark.slow  # long training, without which there is nothing to follow
@pytest.mark.parametrize("component", [NRAEL, NRAEQ])
def test_neighbours_keep_the_decoder_from_following_noise(component, error_of_the_autoencoder):
    """The clean curve is met better than by the autoencoder that is overfitted to the noise."""
    assert error_on_a_noisy_sine(component, n_neighbors=10) < 0.6 * error_of_the_autoencoder


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"n_neighbors": 60}, "n_neighbors = 60"),
        ({"n_neighbors": 2, "n_drawn": 3}, "n_drawn = 3"),
        ({"neighbor_weight": 0.0}, "neighbor_weight"),
        ({"late_decay": 1.5}, "late_decay"),
        ({"patience": -1}, "patience"),
    ],
)
def test_unusable_hyperparameters_are_named(parameters, said):
    with pytest.raises(ValueError, match=said):
        NRAEL(**parameters).fit(np.random.default_rng(0).normal(size=(40, 5)))
