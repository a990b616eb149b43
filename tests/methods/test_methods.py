"""What each method learns, on data where that is known; and the conformance kit on every built-in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as SklearnPCA

from bench import registry
from bench.conformance import checks
from datasets.manifolds import SCurve, SwissRoll
from methods.autoencoder import Autoencoder
from methods.irvae import IRVAE
from methods.isomap import Isomap
from methods.pca import PCA
from methods.tsne import TSNE
from methods.vae import VAE
from metrics.distances import stress
from metrics.distortion import mean_condition_number, relaxed_distortion
from metrics.neighbors import knn_preservation

NETWORKS = ["ae", "vae", "irvae", "nrae-l", "nrae-q", "metric-vae", "ensemble-vae", "rbf-vae", "cnn-vae"]
BUILT_IN = ["pca", "isomap", "umap", "tsne", *NETWORKS, "topo-ae", "cae", "mds", "kernel-pca"]
# The same code by other losses; each has tests of its own in test_regularised.py and test_embeddings.py.
OTHERS = sorted(set(registry.names("method")) - {*BUILT_IN, "embedding"})
CHECKS = [
    pytest.param(name, check, marks=[pytest.mark.slow] if name in OTHERS else [])
    for name in (*BUILT_IN, *OTHERS)
    for check in checks(registry.method(name))
]


@pytest.mark.parametrize(("name", "check"), CHECKS, ids=lambda value: str(value))
def test_conformance(name, check):
    check()


def latent_points(method, X: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(method.encode(X), dtype=torch.float64)


def test_pca_is_scikit_learns_and_its_decoder_an_isometry():
    X = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    method, reference = PCA(latent_dim=3).fit(X), SklearnPCA(3).fit(X.astype(float))
    np.testing.assert_allclose(np.abs(method.encode(X)), np.abs(reference.transform(X)), atol=1e-5)
    expected = reference.inverse_transform(reference.transform(X))
    np.testing.assert_allclose(method.decode(method.encode(X)), expected, atol=1e-5)
    assert float(mean_condition_number(method.decoders_[0].double(), latent_points(method, X))) == pytest.approx(
        1.0, abs=1e-5
    )


def test_isomap_unrolls_the_swiss_roll():
    data = SwissRoll(n=900).load()
    method = Isomap(n_neighbors=10, epochs=1).fit(data.X)
    assert stress(data.intrinsic, method.embedding_) < 0.03


def test_an_autoencoder_learns_the_s_curve():
    data = SCurve(n=600).load()
    X, T = data.X[data.train], data.X[data.test]
    method = Autoencoder(epochs=250).fit(X, X_val=data.X[data.validation])
    assert np.mean((method.decode(method.encode(T)) - T) ** 2) < 0.02 * X.var()
    assert method.history_["loss"][-1] < 0.1 * method.history_["loss"][0]


def test_irvae_is_closer_to_an_isometry_than_vae():
    data = SCurve(n=600).load()
    X, T = data.X[data.train], data.X[data.test]
    found = {}
    for component in (VAE, IRVAE):
        method = component(epochs=80).fit(X, X_val=data.X[data.validation])
        found[component] = float(relaxed_distortion(method.decoders_[0].double(), latent_points(method, T)).detach())
    assert found[IRVAE] < 0.1 * found[VAE]


def test_the_vaes_loss_is_the_papers_formula():
    """-(log likelihood) + beta KL, term by term, against torch.distributions."""
    from methods.training.streams import Streams
    from methods.vae import EvidenceBound

    method = VAE(latent_dim=2, hidden=[5])
    generator = torch.Generator().manual_seed(0)
    model = method._build(4, [generator])
    model.raw_sigma.data.fill_(0.7)
    x = torch.randn(1, 7, 4, generator=generator)
    noise = Streams([0], torch.device("cpu")).normal("noise", 7, 2)
    terms, z = EvidenceBound(2).terms(model, x, noise, torch.tensor([0.5]))
    mean, log_deviation = model.encoder(x).split(2, dim=-1)
    posterior = torch.distributions.Normal(mean, log_deviation.exp())
    kl = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(-1).mean()
    likelihood = torch.distributions.Normal(model.decoder(z), model.log_sigma.exp())
    expected = -likelihood.log_prob(x).sum(-1).mean() + 0.5 * kl
    torch.testing.assert_close(terms["loss"][0], expected)
    torch.testing.assert_close(terms["kl"][0], kl)


def test_irvaes_loss_adds_the_published_distortion():
    """iso_reg E[tr G^2] / (E[tr G])^2 at mixed-up points, G from autodiff."""
    from methods.training.streams import Streams

    method = IRVAE(latent_dim=2, hidden=[5])
    model = method._build(4, [torch.Generator().manual_seed(0)])
    x = torch.randn(1, 9, 4, generator=torch.Generator().manual_seed(1))
    problem = method._problem(4)
    draws = problem.draws(Streams([0], torch.device("cpu")), 9)
    assert draws["alpha"].min() >= -0.2 and draws["alpha"].max() <= 1.2
    weights = {"beta": torch.tensor([1.0]), "iso_reg": torch.tensor([10.0])}
    plain = problem.terms(model, x, draws["noise"], weights["beta"])
    z, order = plain[1][0], draws["partner"][0].argsort()
    mixed = draws["alpha"][0] * z + (1 - draws["alpha"][0]) * z[order]
    J = torch.func.vmap(torch.func.jacrev(lambda w: model.decoder(w[None, None])[0, 0]))(mixed)
    G = J.transpose(1, 2) @ J
    trace, trace_of_square = G.diagonal(dim1=1, dim2=2).sum(1).mean(), (G @ G).diagonal(dim1=1, dim2=2).sum(1).mean()
    loss = problem.losses(model, {"x": x}, draws, weights)["loss"]
    torch.testing.assert_close(loss[0], plain[0]["loss"][0] + 10 * trace_of_square / trace**2)


def test_published_presets_are_the_papers_setting():
    preset = IRVAE.presets["published"]
    assert preset["hidden"] == [256] * 4 and preset["activation"] == "relu" and preset["output"] == "sigmoid"
    assert (preset["learning_rate"], preset["batch_size"], preset["epochs"]) == (1e-4, 100, 300)
    assert preset["patience"] is None and preset["iso_reg"] == 1000 and preset["mixup"] == 0.2
    method = IRVAE(**{**preset, "epochs": 1}).fit(np.random.default_rng(0).random((20, 784), dtype=np.float32))
    decoder = sum(p.numel() for p in method.decoder_.parameters())
    encoder = sum(p.numel() for p in method.encoder_.parameters())
    assert (encoder, decoder) == (399_364, 399_632)


def test_sigma_stays_positive_on_data_without_noise():
    X = np.zeros((50, 3), dtype=np.float32) + np.arange(50)[:, None] / 50
    method = VAE(epochs=300, hidden=[8], learning_rate=1e-2).fit(X.astype(np.float32))
    assert np.isfinite(method.history_["loss"]).all()


def test_encoding_new_points_with_tsne_does_not_move_the_embedding():
    data = SwissRoll(n=300).load()
    method = TSNE(epochs=1).fit(data.X[data.train])
    before = np.asarray(method.tsne_).copy()
    Z = method.encode(data.X[data.test])
    np.testing.assert_allclose(np.asarray(method.tsne_), before, atol=1e-9)
    assert knn_preservation(data.X[data.test], Z, 5) > 0.3


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (PCA(latent_dim=9), "latent_dim"),
        (Autoencoder(learning_rate=-1.0), "learning_rate"),
        (Autoencoder(hidden=[0]), "hidden"),
        (VAE(beta=-1.0), "beta"),
        (IRVAE(iso_reg=-1.0), "iso_reg"),
        (Isomap(n_neighbors=500), "n_neighbors"),
        (TSNE(latent_dim=3), "latent_dim"),
        (Autoencoder(device="tpu"), "device"),
    ],
)
def test_unusable_hyperparameters_are_named(method, said):
    with pytest.raises(ValueError, match=said):
        method.fit(np.random.default_rng(0).normal(size=(40, 5)))


def test_data_with_other_features_are_refused():
    method = Autoencoder(epochs=1, hidden=[4]).fit(np.ones((20, 3)) * np.arange(20)[:, None])
    with pytest.raises(ValueError, match="4 features"):
        method.encode(np.zeros((5, 4)))
