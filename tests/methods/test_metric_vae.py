from __future__ import annotations

import numpy as np
import pytest
import torch

from methods.distance_regularisers import REGULARISERS, batchwise, standardised
from methods.metric_vae import MetricVAE
from methods.networks.images import ImageNetworks
from methods.networks.normalisation import BatchNorm
from methods.training.streams import Streams
from metrics.distances import spearman
from metrics.view import NotApplicableError

SMALL = {"hidden": [16], "epochs": 20, "latent_dim": 2}


def batch(seed: int = 0, n: int = 12, d: int = 3) -> torch.Tensor:
    return torch.randn(1, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pairwise(x: torch.Tensor) -> np.ndarray:
    points = x[0].numpy()
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


def test_the_standardised_term_is_its_formula():
    z, p = batch(0), batch(1, d=5)
    i, j = np.triu_indices(12, 1)
    d = [pairwise(x)[i, j] for x in (z, p)]
    standard = [(values - values.mean()) / values.std() for values in d]
    assert float(standardised(z, p)) == pytest.approx(np.abs(standard[0] - standard[1]).mean(), rel=1e-9)


def test_the_standardised_term_ignores_scale_and_the_published_one_does_not():
    z, p = batch(0), batch(1)
    for scale in (0.1, 10.0):
        torch.testing.assert_close(standardised(scale * z, p), standardised(z, p))
        torch.testing.assert_close(standardised(z, scale * p), standardised(z, p))
    assert float(batchwise(100 * z, 100 * p)) < 1e-3 * float(batchwise(z, p))


def test_the_standardised_term_vanishes_for_equal_geometry():
    z = batch(0)
    rotation = torch.linalg.qr(batch(5, n=3)[0])[0]
    assert float(standardised(z, 3 * z @ rotation + 1)) < 1e-9
    assert 0.3 < float(standardised(z, batch(7))) <= 2


def test_the_published_terms_are_their_formulas():
    """Squared distances of all ordered pairs and self-pairs, standardised by variance; and the pointwise terms."""
    z, p = batch(0), batch(1, d=5)
    d = [pairwise(x) ** 2 for x in (z, p)]
    standard = [(values - values.mean()) / values.var() for values in d]
    assert float(batchwise(z, p)) == pytest.approx(np.abs(standard[0] - standard[1]).mean(), rel=1e-9)
    z2, p2 = (np.square(x[0].numpy()).sum(-1) for x in (z, p))
    expected = {
        "pointwise": np.abs(p2 - z2),
        "expanding": np.maximum(p2 - z2 + 0.1, 0),
        "contracting": np.maximum(z2 - p2 + 0.1, 0),
    }
    for name, values in expected.items():
        assert float(REGULARISERS[name](z, p)) == pytest.approx(values.mean(), rel=1e-9)


@pytest.mark.parametrize("name", REGULARISERS)
def test_every_term_keeps_models_apart_and_survives_a_batch_of_two(name):
    z, p = torch.cat([batch(0), batch(1)]), torch.cat([batch(2), batch(3)])
    both = REGULARISERS[name](z, p)
    for s in range(2):
        torch.testing.assert_close(both[s], REGULARISERS[name](z[s : s + 1], p[s : s + 1])[0])
    assert torch.isfinite(REGULARISERS[name](z[:, :1], p[:, :1])).all()
    assert torch.isfinite(REGULARISERS[name](z, torch.ones_like(p))).all()


def test_the_loss_is_error_kl_and_distance():
    method = MetricVAE(**SMALL)
    model = method._build(4, [torch.Generator().manual_seed(0)])
    x = torch.randn(1, 9, 4, generator=torch.Generator().manual_seed(1))
    proxy = torch.randn(1, 9, 2, generator=torch.Generator().manual_seed(2))
    problem = method._problem(4)
    draws = problem.draws(Streams([0], torch.device("cpu")), 9)
    weights = {"beta": torch.tensor([0.1]), "distance_reg": torch.tensor([7.0])}
    terms = problem.losses(model, {"x": x, "proxy": proxy}, draws, weights)
    mean, raw = model["encoder"](x).chunk(2, dim=-1)
    deviation = torch.nn.functional.softplus(raw)
    posterior = torch.distributions.Normal(mean, deviation)
    kl = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(-1).mean()
    square = (model["decoder"](mean + deviation * draws["noise"]) - x).square().sum(-1).mean()
    expected = square + 0.1 * kl + 7.0 * standardised(mean, proxy)[0]
    torch.testing.assert_close(terms["loss"][0], expected)


def test_the_published_network_and_weights():
    preset = MetricVAE.presets["published"]
    assert (preset["distance_reg"], preset["beta"], preset["latent_dim"], preset["kernel"]) == (1e5, 0.1, 512, 5)
    networks = ImageNetworks((1, 64, 64), preset["channels"], 5, "relu", "batch")
    generators = [torch.Generator().manual_seed(0)]
    encoder, decoder = networks.encoder(1024, generators), networks.decoder(512, generators)
    x = torch.zeros(1, 2, 64 * 64)
    assert encoder(x).shape == (1, 2, 1024) and decoder(torch.zeros(1, 2, 512)).shape == x.shape
    channels = [layer.out_shape for layer in decoder if hasattr(layer, "weight") and hasattr(layer, "out_shape")]
    convolutions = [(256, 16, 16), (128, 32, 32), (32, 64, 64)]
    assert [shape for shape in channels if shape[1] > 1] == [*convolutions, (1, 64, 64)]
    norms = [layer.out_shape for layer in decoder if isinstance(layer, BatchNorm)]
    assert norms == [(256 * 8 * 8, 1, 1), *convolutions]


def test_batch_moments_change_in_training_and_at_no_other_time():
    """The published graph updates them when it samples and when it decodes zeros, too."""
    norm = BatchNorm((2, 3, 3), 1)
    x = 5 + 2 * torch.randn(1, 50, 18, generator=torch.Generator().manual_seed(0))
    trained = norm(x).unflatten(-1, (2, 9))
    torch.testing.assert_close(trained.mean((1, 3)), torch.zeros(1, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(trained.var((1, 3)), torch.ones(1, 2), atol=1e-2, rtol=0)
    moved = norm.mean.clone()
    assert (moved > 0).all()
    norm.eval()
    norm(torch.zeros(1, 4, 18))
    torch.testing.assert_close(norm.mean, moved)
    torch.testing.assert_close(norm.member(0)(x[0]), norm(x)[0], atol=1e-5, rtol=1e-5)


def clusters(n: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Three classes around corners of a triangle in ten dimensions, hidden under noise in the other directions."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    X = 2.0 * rng.normal(size=(n, 10))
    X[:, :2] = np.array([[0, 0], [4, 0], [0, 4]])[y] + 0.3 * rng.normal(size=(n, 2))
    return X.astype(np.float32), y


def test_latent_distances_follow_the_classifiers_on_held_out_rows():
    X, y = clusters()
    found = {}
    for weight in (0.0, 1000.0):
        method = MetricVAE(hidden=[32], epochs=150, distance_reg=weight).fit(X[:160], y[:160], X_val=X[160:200])
        Z, proxy = method.encode(X[200:]), method.proxy_features(X[200:])
        i, j = np.triu_indices(40, 1)
        apart = [np.linalg.norm(values[i] - values[j], axis=1) for values in (proxy, Z)]
        found[weight] = spearman(*apart)
        assert np.mean(proxy.argmax(axis=1) == y[200:]) > 0.9
    assert found[1000.0] > max(0.7, found[0.0] + 0.2)


def test_the_classifier_sees_training_rows_alone():
    """Labels of the held-out rows change nothing."""
    X, y = clusters(120)
    fits = [MetricVAE(**SMALL).fit(X[:90], y[:90], X_val=X[90:], y_val=labels) for labels in (y[90:], 2 - y[90:])]
    np.testing.assert_array_equal(*(method.proxy_features(X) for method in fits))
    np.testing.assert_array_equal(*(method.encode(X) for method in fits))


def test_a_proxy_may_be_features_the_data_or_a_function():
    X, y = clusters(80)
    given = MetricVAE(**SMALL, proxy="features").fit(X, X[:, :2])
    reloaded = MetricVAE(**SMALL, proxy="features").load_arrays(given.state_arrays())
    for method in (given, reloaded):
        with pytest.raises(NotApplicableError, match="rows that were given"):
            method.proxy_features(X)
    of_data = MetricVAE(**SMALL).fit(X)
    np.testing.assert_array_equal(of_data.proxy_features(X), X)
    of_function = MetricVAE(**SMALL, proxy=lambda rows: rows[:, :2]).fit(X, y)
    np.testing.assert_array_equal(of_function.proxy_features(X), X[:, :2])
    named = MetricVAE(**SMALL, proxy="numpy:cos").fit(X, y)
    np.testing.assert_allclose(named.proxy_features(X), np.cos(X), rtol=1e-6)
    loaded = MetricVAE(**SMALL, proxy="numpy:cos").load_arrays(named.state_arrays())
    np.testing.assert_array_equal(loaded.proxy_features(X), named.proxy_features(X))


@pytest.mark.parametrize(
    ("parameters", "y", "said"),
    [
        ({"proxy": "nothing"}, None, "proxy must be one of"),
        ({"proxy": "numpy:nothing"}, None, "cannot be imported"),
        ({"proxy": "labels"}, None, "needs y"),
        ({"proxy": "labels"}, np.linspace(0, 1, 40), "one label"),
        ({"proxy": lambda rows: rows[0]}, None, "proxy gives shape"),
        ({"kernel": 4}, None, "kernel"),
        ({"distance_reg": -1.0}, None, "distance_reg"),
        ({"regulariser": "other"}, None, "regulariser"),
        ({"sample_shape": (1, 2, 2)}, None, "sample_shape"),
        ({"channels": []}, None, "channels"),
    ],
)
def test_unusable_hyperparameters_are_named(parameters, y, said):
    with pytest.raises(ValueError, match=said):
        MetricVAE(**SMALL, **parameters).fit(np.random.default_rng(0).normal(size=(40, 5)), y)
