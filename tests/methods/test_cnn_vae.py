from __future__ import annotations

import numpy as np
import pytest
import torch

from methods.cnn_vae import CNNVAE
from methods.metric_vae import MetricVAE
from methods.networks.convolutions import convolution, transposed_convolution
from metrics.geometry import jacobian

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 64, 64), (1, 5, 7), (1, 1, 12)]


def images(shape, n: int = 24) -> np.ndarray:
    return np.random.default_rng(0).random((n, int(np.prod(shape))), dtype=np.float32)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_image_size_is_encoded_and_decoded_to_itself(shape):
    X = images(shape)
    method = CNNVAE(epochs=1, channels=[3, 4], sample_shape=shape).fit(X)
    assert method.encode(X).shape == (24, 2) and method.decode(method.encode(X)).shape == X.shape
    outside = CNNVAE(epochs=1, channels=[3, 4], sample_shape=shape, output="sigmoid", scaling="none").fit(X)
    decoded = outside.decode(10 * np.ones((2, 2)))
    assert decoded.min() >= 0 and decoded.max() <= 1


@pytest.mark.parametrize("component", [CNNVAE, MetricVAE])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 6)], ids=str)
def test_tangents_go_through_the_convolutional_decoder_as_by_autodiff(component, shape):
    X = images(shape)
    method = component(epochs=2, channels=[3, 4], sample_shape=shape).fit(X)
    decoder, z = method.decoders_[0].double(), torch.as_tensor(method.encode(X[:4])).double()
    expected = torch.func.vmap(torch.func.jacrev(lambda code: decoder(code[None])[0]))(z)
    torch.testing.assert_close(jacobian(decoder, z), expected, rtol=1e-9, atol=1e-12)


def test_layers_are_torchs_on_images():
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    stack = convolution((2, 5, 4), 3, 3, generators)
    rows = torch.randn(2, 6, 40, generator=generators[0])
    for s in range(2):
        reference = torch.nn.functional.conv2d(rows[s].view(6, 2, 5, 4), stack.weight[s], stack.bias[s], padding=1)
        torch.testing.assert_close(stack(rows)[s], reference.flatten(1))
        torch.testing.assert_close(stack.member(s)(rows[s]), reference.flatten(1))
    up = transposed_convolution((2, 3, 2), (4, 5, 4), 5, generators)
    rows = torch.randn(2, 6, 12, generator=generators[0])
    reference = torch.nn.functional.conv_transpose2d(
        rows[1].view(6, 2, 3, 2), up.weight[1], up.bias[1], stride=2, padding=2, output_padding=(0, 1)
    )
    torch.testing.assert_close(up(rows)[1], reference.flatten(1))


def test_the_encoder_has_a_shortcut_around_its_blocks():
    """With the block's last convolution at zero a residual block is the identity."""
    method = CNNVAE(channels=[3], sample_shape=(1, 4, 4))
    encoder = method._build(16, [torch.Generator().manual_seed(0)])["encoder"]
    block = next(layer for layer in encoder if hasattr(layer, "block"))
    with torch.no_grad():
        block.block[-1].weight.zero_()
        block.block[-1].bias.zero_()
    x = torch.randn(1, 5, 12)
    torch.testing.assert_close(block(x), x)


def test_digits_are_learned():
    from sklearn.datasets import load_digits

    X = (load_digits().data / 16).astype(np.float32)
    method = CNNVAE(channels=[8, 16], latent_dim=4, epochs=25, sample_shape=(1, 8, 8)).fit(X[:1200], X_val=X[1200:1400])
    error = np.mean((method.decode(method.encode(X[1400:])) - X[1400:]) ** 2)
    assert error < 0.6 * X.var(axis=0).mean()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"sample_shape": (1, 3, 3)}, "sample_shape"),
        ({"sample_shape": (1, 1, 5, 2)}, "sample_shape"),
        ({"channels": [0]}, "channels"),
        ({"beta": -1.0}, "beta"),
    ],
)
def test_unusable_hyperparameters_are_named(parameters, said):
    with pytest.raises(ValueError, match=said):
        CNNVAE(**parameters).fit(images((1, 2, 5)))


@pytest.mark.parametrize(
    "build",
    [
        lambda generators: convolution((2, 6, 8), 5, 3, generators),
        lambda generators: transposed_convolution((2, 3, 4), (5, 6, 8), 3, generators),
    ],
)
def test_a_grouped_convolution_is_that_of_each_model(build):
    layer = build([torch.Generator().manual_seed(s) for s in range(3)]).double()
    n_in = int(np.prod(layer.in_shape))
    x = torch.randn(3, 4, n_in, dtype=torch.float64, requires_grad=True)
    wanted = [x, layer.weight, layer.bias]
    for bias in (layer.bias, None):
        ours, theirs = layer._grouped(x, bias), layer._one_by_one(x, bias)
        torch.testing.assert_close(ours, theirs)
        for a, b in zip(
            torch.autograd.grad(ours.sin().sum(), wanted, materialize_grads=True),
            torch.autograd.grad(theirs.sin().sum(), wanted, materialize_grads=True),
            strict=True,
        ):
            torch.testing.assert_close(a, b)
    # Tangents (S, n, t, features) are images like others.
    tangents = x.detach()[:, :, None].expand(-1, -1, 2, -1)
    torch.testing.assert_close(layer._grouped(tangents, None), layer._one_by_one(tangents, None))
