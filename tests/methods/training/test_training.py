"""The stacked loop: a model in a stack is the model alone, whatever happens to the others."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from methods.attached import fit_decoders
from methods.autoencoder import Autoencoder
from methods.base import DivergedError
from methods.cnn_vae import CNNVAE
from methods.ensemble_vae import EnsembleVAE
from methods.irvae import IRVAE
from methods.isomap import Isomap
from methods.metric_vae import MetricVAE
from methods.nrae import NRAEL, NRAEQ
from methods.rbf_vae import RBFVAE
from methods.training import loop as training
from methods.training.adam import Adam
from methods.training.parameters import Parameters
from methods.training.streams import Streams
from methods.tsne import TSNE
from methods.umap import UMAP
from methods.vae import VAE

METHODS = [Autoencoder, VAE, IRVAE, NRAEL, NRAEQ, EnsembleVAE, RBFVAE, CNNVAE, MetricVAE]


@pytest.fixture
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def data(n: int = 100, d: int = 6) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.tanh(rng.normal(size=(n, 2)) @ rng.normal(size=(2, d))).astype(np.float32)


def parameters(method) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for part in (method.encoder_, method.decoder_) for p in part.parameters()])


SMALL = {
    "hidden": [16],
    "channels": [3, 4],
    "n_members": 3,
    "sample_shape": (1, 2, 3),
    "rbf_epochs": 10,
    "normalise": "batch",
}


@pytest.mark.parametrize("component", METHODS)
def test_each_member_of_a_stack_equals_the_same_seed_alone(component, double_precision):
    X, X_val = data(), data(30)
    y = (X[:, 0] > 0).astype(int)
    known = component().get_params()
    settings = {"batch_size": 20, "epochs": 10, "patience": None}  # 50 steps
    settings |= {name: value for name, value in SMALL.items() if name in known}
    rates = [1e-3, 3e-3, 1e-2]
    stack = [component(**settings, learning_rate=rate, random_state=seed) for seed, rate in enumerate(rates)]
    assert component.fit_many(stack, X, y, X_val=X_val) == [None] * 3
    for seed, rate in enumerate(rates):
        alone = component(**settings, learning_rate=rate, random_state=seed).fit(X, y, X_val=X_val)
        for name, value in alone.state_arrays().items():
            np.testing.assert_allclose(stack[seed].state_arrays()[name], value, rtol=1e-6, atol=1e-9, err_msg=name)
        assert len(alone.history_["loss"]) == 10


def test_stackable_weights_of_a_loss_may_differ(double_precision):
    X = data()
    settings = {"hidden": [8], "epochs": 5, "batch_size": 25}
    stack = [IRVAE(**settings, iso_reg=weight) for weight in (1.0, 1000.0)]
    IRVAE.fit_many(stack, X, X_val=X)
    alone = IRVAE(**settings, iso_reg=1000.0).fit(X, X_val=X)
    torch.testing.assert_close(parameters(stack[1]), parameters(alone), rtol=1e-6, atol=1e-12)
    assert not torch.allclose(parameters(stack[0]), parameters(stack[1]))


def test_attached_decoders_in_a_stack_equal_those_alone(double_precision):
    X = data()
    embeddings = [np.random.default_rng(s).normal(size=(100, 2)) * 10**s for s in range(3)]
    stack = fit_decoders(embeddings, X, [0, 1, 2], hidden=[8], epochs=10)
    for s in range(3):
        (alone,) = fit_decoders([embeddings[s]], X, [s], hidden=[8], epochs=10)
        for ours, theirs in zip(stack[s].parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("component, differing", [
    (Isomap, {}), (UMAP, {"n_neighbors": 7, "min_dist": 0.4}), (TSNE, {"perplexity": 11.0}),
])  # fmt: skip
def test_methods_with_attached_decoders_in_a_stack_equal_those_alone(component, differing, double_precision):
    X = data()
    settings = {"hidden": [8], "epochs": 5}
    own = [{}, differing]
    stack = [component(**settings, **other, random_state=seed) for seed, other in enumerate(own)]
    assert component.fit_many(stack, X) == [None, None]
    for seed, other in enumerate(own):
        alone = component(**settings, **other, random_state=seed).fit(X)
        for name, value in alone.state_arrays().items():
            np.testing.assert_allclose(stack[seed].state_arrays()[name], value, rtol=1e-6, atol=1e-9, err_msg=name)
        np.testing.assert_allclose(stack[seed].encode(X[:9]), alone.encode(X[:9]), rtol=1e-6, atol=1e-6)


def test_isomap_embeds_once_for_all_seeds():
    stack = [Isomap(hidden=[8], epochs=1, random_state=seed) for seed in range(2)]
    Isomap.fit_many(stack, data())
    assert stack[0].isomap_ is stack[1].isomap_
    with pytest.raises(ValueError, match="n_neighbors"):
        Isomap.fit_many([Isomap(n_neighbors=5), Isomap(n_neighbors=6)], data())


def test_a_precision_of_the_second_stage_that_diverges_leaves_the_others_untouched(monkeypatch):
    X = data()
    settings = {"hidden": [8], "epochs": 3, "rbf_epochs": 3, "n_centers": 4, "device": "cpu"}
    alone = RBFVAE(**settings, random_state=1).fit(X)
    residuals = RBFVAE._squared_residuals

    def broken(self, x, z):
        return residuals(self, x, z) * (torch.nan if self.random_state == 0 else 1.0)

    monkeypatch.setattr(RBFVAE, "_squared_residuals", broken)
    stack = [RBFVAE(**settings, random_state=seed) for seed in range(2)]
    failures = RBFVAE.fit_many(stack, X)
    assert "second stage" in str(failures[0]) and failures[1] is None
    np.testing.assert_allclose(stack[1].deviation(X[:5, :2]), alone.deviation(X[:5, :2]), rtol=1e-5)


def test_models_that_differ_in_shape_are_refused_as_a_stack():
    with pytest.raises(ValueError, match="hidden"):
        Autoencoder.fit_many([Autoencoder(hidden=[8]), Autoencoder(hidden=[9])], data())


@pytest.mark.parametrize("latent_dim", [2, 17])  # IRVAE's regulariser is exact, or takes probes
def test_no_term_of_a_loss_mixes_models(latent_dim):
    settings = {"hidden": [8], "latent_dim": latent_dim, "epochs": 3, "clip_norm": None, "device": "cpu"}
    stack = [IRVAE(**settings, learning_rate=rate) for rate in (1e-3, 1e25)]
    failures = IRVAE.fit_many(stack, data(d=20))
    assert failures[0] is None and isinstance(failures[1], DivergedError)


def test_what_a_training_took_is_freed_with_its_models():
    gc.collect()
    gc.disable()
    try:
        Autoencoder(hidden=[8], epochs=1, device="cpu").fit(data())
        assert not [found for found in gc.get_objects() if type(found) is training._Run]
    finally:
        gc.enable()


def test_a_member_that_diverges_leaves_the_others_untouched(double_precision):
    X = data()
    settings = {"hidden": [8], "epochs": 10, "batch_size": 20, "patience": None, "clip_norm": None}
    stack = [Autoencoder(**settings, learning_rate=rate) for rate in (1e-3, 1e300, 1e-3)]
    failures = Autoencoder.fit_many(stack, X, X_val=X)
    assert [type(failure) for failure in failures] == [type(None), DivergedError, type(None)]
    assert "epoch" in str(failures[1])
    alone = Autoencoder(**settings, learning_rate=1e-3).fit(X, X_val=X)
    torch.testing.assert_close(parameters(stack[0]), parameters(alone), rtol=1e-6, atol=1e-12)
    with pytest.raises(DivergedError, match="learning_rate"):
        Autoencoder(**settings, learning_rate=1e300).fit(X, X_val=X)


def test_early_stopping_keeps_the_best_epoch_and_stops_only_its_own_member():
    X, X_val = data(60), data(60)[::-1] + 1.0  # held-out data that training makes worse
    settings = {"hidden": [32], "epochs": 200, "patience": 5, "batch_size": 20}
    stack = [Autoencoder(**settings, learning_rate=rate, random_state=1) for rate in (3e-2, 1e-4)]
    Autoencoder.fit_many(stack, X, X_val=X_val)
    for member in stack:
        losses = member.history_["val_loss"]
        best = int(np.argmin(losses))
        assert len(losses) == 200 or len(losses) == best + 1 + 5
        unit = member.decoders_[0][-1].scale.item()
        reached = np.mean((member.decode(member.encode(X_val)) - X_val) ** 2) / unit**2
        assert reached == pytest.approx(losses[best], rel=1e-3)
    assert len(stack[0].history_["loss"]) != len(stack[1].history_["loss"])


def test_on_epoch_can_encode_and_stops_its_own_member():
    X = data()
    seen: list[tuple[int, tuple[int, ...]]] = []
    stack = [Autoencoder(hidden=[8], epochs=6, random_state=s) for s in range(2)]

    def stop_at_third(epoch, scores):
        seen.append((epoch, stack[0].encode(X).shape))
        assert {"loss", "val_loss"} <= set(scores)
        return epoch == 3

    Autoencoder.fit_many(stack, X, X_val=X, on_epoch=[stop_at_third, None])
    assert seen == [(1, (100, 2)), (2, (100, 2)), (3, (100, 2))]
    assert [len(member.history_["loss"]) for member in stack] == [3, 6]


def test_epochs_none_means_four_thousand_steps():
    method = Autoencoder(hidden=[2], batch_size=2, patience=None).fit(data(200), X_val=data(10))
    assert len(method.history_["loss"]) == 40


def test_patience_zero_never_stops_and_keeps_the_last_epoch():
    X, X_val = data(60), data(60)[::-1] + 1.0  # held-out data that training makes worse
    settings = {"hidden": [8], "epochs": 30, "batch_size": 20}
    off, none = (Autoencoder(**settings, patience=patience).fit(X, X_val=X_val) for patience in (0, None))
    assert len(off.history_["loss"]) == 30
    torch.testing.assert_close(parameters(off), parameters(none), rtol=0, atol=0)


def test_the_learning_rate_falls_in_the_last_fifth_alone(double_precision):
    X = data()
    settings = {"hidden": [8], "epochs": 60, "patience": None}
    steady, falling = (Autoencoder(**settings, late_decay=decay).fit(X, X_val=X) for decay in (1.0, 1e-9))
    assert steady.history_["loss"][:58] == falling.history_["loss"][:58]
    assert steady.history_["loss"][59] != falling.history_["loss"][59]


def test_adam_agrees_with_torchs():
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    model = torch.nn.ParameterList([torch.nn.Parameter(start.clone())])
    flat = Parameters(model)
    rates = [1e-2, 1e-2, 1e-3]
    ours = Adam(flat, torch.tensor(rates, dtype=torch.float64), clip_norm=1.0)
    theirs = [torch.nn.Parameter(row.clone()) for row in start]
    optimisers = [torch.optim.Adam([p], lr=rate) for p, rate in zip(theirs, rates, strict=True)]
    for _ in range(20):
        loss = (model[0] ** 4).sum() * 10
        ours.step(flat.gradients(loss))
        for parameter, optimiser in zip(theirs, optimisers, strict=True):
            optimiser.zero_grad()
            ((parameter**4).sum() * 10).backward()
            torch.nn.utils.clip_grad_norm_([parameter], 1.0)
            optimiser.step()
    torch.testing.assert_close(flat.rows(range(3)), torch.stack([p.detach() for p in theirs]), rtol=1e-5, atol=1e-8)


def test_streams_depend_on_seed_and_name_and_not_on_company():
    cpu = torch.device("cpu")
    together, alone = Streams([3, 4], cpu), Streams([4], cpu)
    assert torch.equal(together.normal("noise", 5)[1], alone.normal("noise", 5)[0])
    assert not torch.equal(together.normal("other", 5)[0], together.normal("noise", 5)[0])
    together.keep([1])
    assert torch.equal(together.permutation("order", 9), alone.permutation("order", 9))


def test_the_global_random_state_is_neither_read_nor_moved():
    X = data()
    torch.manual_seed(1)
    first = IRVAE(hidden=[8], epochs=2).fit(X)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    second = IRVAE(hidden=[8], epochs=2).fit(X)
    torch.testing.assert_close(parameters(first), parameters(second), rtol=0, atol=0)
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


def test_a_step_is_the_same_to_the_last_bit_wherever_a_model_stands():
    start = torch.randn(21, 3, generator=torch.Generator().manual_seed(0))

    def stepped(rows):
        model = torch.nn.ParameterList([torch.nn.Parameter(rows.clone())])
        parameters = Parameters(model)
        adam = Adam(parameters, torch.full((len(rows),), 1e-2), clip_norm=None)
        for _ in range(50):
            adam.step(parameters.gradients((model[0] ** 4).sum()))
        return parameters.rows(range(len(rows)))

    together = stepped(start)
    for at in range(len(start)):
        assert torch.equal(stepped(start[at : at + 1])[0], together[at])
