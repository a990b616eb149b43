from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from metrics.distortion import mean_condition_number, relaxed_distortion
from metrics.geodesics import curve_lengths, geodesics
from metrics.geometry import is_affine, jacobian, pull_back, pullback_metric, push_forward, widest_layer
from metrics.taylor import expand

torch_double = torch.float64
ACTIVATIONS = [
    nn.SiLU(),
    nn.ReLU(),
    nn.ELU(alpha=0.7),
    nn.Tanh(),
    nn.Sigmoid(),
    nn.Softplus(beta=2.0),
    nn.Identity(),
    nn.GELU(),
]


def network(activation: nn.Module, d: int = 3, n_features: int = 7) -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    layers = nn.Sequential(
        nn.Linear(d, 16), activation, nn.Linear(16, 16), activation, nn.Linear(16, n_features)
    ).double()
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch_double) / 3)
    return layers


def points(n: int = 11, d: int = 3) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(1), dtype=torch_double)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: type(a).__name__)
def test_jacobian_agrees_with_reverse_mode_autodiff(activation):
    decoder, z = network(activation), points()
    expected = torch.func.vmap(torch.func.jacrev(decoder))(z)
    torch.testing.assert_close(jacobian(decoder, z), expected, rtol=1e-10, atol=1e-12)


def test_a_subclass_with_a_forward_of_its_own_is_not_taken_for_its_parent():
    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    z = points()
    hooked = nn.Sequential(nn.Linear(3, 3)).double()
    hooked.register_forward_hook(lambda module, arguments, output: output**2)
    for decoder in (Residual(nn.Linear(3, 3), nn.Tanh()).double(), Doubled(3, 4).double(), hooked):
        expected = torch.func.vmap(torch.func.jacrev(decoder))(z)
        torch.testing.assert_close(jacobian(decoder, z), expected, rtol=1e-10, atol=1e-12)


def test_any_callable_is_a_decoder():
    z = points(5, 2)

    def sphere(z):
        theta, phi = z[:, 0], z[:, 1]
        return torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()], dim=1)

    G = pullback_metric(sphere, z)
    expected = torch.diag_embed(torch.stack([torch.ones(5, dtype=torch_double), z[:, 0].sin() ** 2], dim=1))
    torch.testing.assert_close(G, expected, rtol=1e-12, atol=1e-12)


def test_pullback_metric_in_chunks_equals_the_whole(monkeypatch):
    decoder, z = network(nn.SiLU()), points(50)
    whole = pullback_metric(decoder, z)
    monkeypatch.setattr("metrics.geometry._CHUNK_ELEMENTS", 100)
    with torch.no_grad():
        torch.testing.assert_close(pullback_metric(decoder, z), whole)


def test_an_ensembles_metric_is_the_mean():
    a, b = network(nn.SiLU()), network(nn.Tanh())
    z = points()
    torch.testing.assert_close(pullback_metric([a, b], z), (pullback_metric(a, z) + pullback_metric(b, z)) / 2)


def test_gradients_flow_to_parameters_and_points():
    decoder, z = network(nn.SiLU()), points().requires_grad_()
    value, tangents = push_forward(decoder, z, torch.ones(11, 1, 3, dtype=torch_double))
    (value.sum() + tangents.square().sum()).backward()
    assert z.grad is not None and z.grad.abs().sum() > 0
    assert all(p.grad is not None for p in decoder.parameters())


def test_a_stack_of_decoders_is_its_members():
    from methods.networks.layers import member, stacked_mlp

    generators = [torch.Generator().manual_seed(s) for s in range(3)]
    stack = stacked_mlp([2, 8, 5], "silu", generators)
    z = torch.randn(3, 6, 2, generator=torch.Generator().manual_seed(5))
    G = pullback_metric(stack, z)
    assert G.shape == (3, 6, 2, 2)
    for s in range(3):
        torch.testing.assert_close(G[s], pullback_metric(nn.Sequential(*member(stack, s)), z[s]))


def wide_decoder(end=()):
    generator = torch.Generator().manual_seed(0)
    layers = nn.Sequential(nn.Linear(2, 6), nn.SiLU(), nn.Linear(6, 8), nn.SiLU(), nn.Linear(8, 60), *end).double()
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return layers


@pytest.mark.parametrize("n", [1, 3, 200])
@pytest.mark.parametrize("end", [(), (nn.Linear(60, 50).double(),), (nn.Sigmoid(),)], ids=["linear", "two", "sigmoid"])
def test_the_metric_of_a_wide_decoder_is_that_of_its_jacobian_for_few_points_and_many(n, end):
    decoder, z = wide_decoder(end), torch.linspace(-1, 1, 2 * n).double().reshape(n, 2)
    J = torch.func.vmap(torch.func.jacrev(decoder))(z)
    torch.testing.assert_close(pullback_metric(decoder, z), J.mT @ J)
    with torch.no_grad():
        torch.testing.assert_close(pullback_metric(decoder, z), J.mT @ J)


def test_the_metric_by_the_shorter_way_has_the_same_gradients():
    decoder, z = wide_decoder(), torch.linspace(-1, 1, 200).double().reshape(100, 2)

    def gradients(metric):
        return torch.autograd.grad(metric.square().sum(), list(decoder.parameters()), allow_unused=True)

    J = torch.func.vmap(lambda point: torch.func.jacfwd(decoder)(point))(z)
    ours, theirs = gradients(pullback_metric(decoder, z)), gradients(J.mT @ J)
    for a, b in zip(ours[:-1], theirs[:-1], strict=True):
        torch.testing.assert_close(a, b)
    # The last bias moves the image as a whole.
    assert ours[-1] is None


def test_cotangents_are_pulled_back_by_the_transposed_jacobian():
    decoder, z = wide_decoder(), torch.linspace(-1, 1, 10).double().reshape(5, 2)
    cotangents = torch.cos(torch.arange(300).double()).reshape(5, 60)
    J = jacobian(decoder, z)
    expected = torch.einsum("nDd,nD->nd", J, cotangents)
    torch.testing.assert_close(pull_back(decoder, z, cotangents), expected)
    with torch.no_grad():
        torch.testing.assert_close(pull_back(decoder, z, cotangents), expected)


def test_pushing_forward_is_adjoint_to_pulling_back():
    decoder, z = wide_decoder(), torch.linspace(-1, 1, 10).double().reshape(5, 2)
    v, u = torch.sin(torch.arange(10).double()).reshape(5, 2), torch.cos(torch.arange(300).double()).reshape(5, 60)
    forward = (push_forward(decoder, z, v[:, None])[1][:, 0] * u).sum()
    torch.testing.assert_close(forward, (v * pull_back(decoder, z, u)).sum())


def test_an_activation_with_a_hook_is_differentiated_as_it_is_run():
    activation = nn.Tanh()
    activation.register_forward_hook(lambda layer, inputs, output: 2 * output)
    decoder = nn.Sequential(nn.Linear(2, 5).double(), activation)
    z = torch.linspace(-1, 1, 10).double().reshape(5, 2)
    expected = torch.func.vmap(torch.func.jacrev(lambda point: 2 * torch.tanh(decoder[0](point))))(z)
    torch.testing.assert_close(jacobian(decoder, z), expected)


def test_ensembles_may_be_lists_or_module_lists():
    members = [wide_decoder(), wide_decoder()]
    z = torch.linspace(-1, 1, 10).double().reshape(5, 2)
    torch.testing.assert_close(pullback_metric(nn.ModuleList(members), z), pullback_metric(members, z))


def test_no_points_have_no_metric():
    with torch.no_grad():
        assert pullback_metric(wide_decoder(), torch.zeros(0, 2).double()).shape == (0, 2, 2)


def test_memory_is_bounded_by_the_widest_layer_not_by_the_output():
    decoder = nn.Sequential(nn.Linear(2, 300), nn.Tanh(), nn.Linear(300, 3))
    assert widest_layer(decoder, torch.zeros(1, 2)) == 300
    assert widest_layer(lambda z: z.repeat(1, 7), torch.zeros(1, 2)) == 14
    assert not any(layer._forward_hooks for layer in decoder.modules())


class Attending(nn.Module):
    """Attention among the parts of each point's code, by torch's fused kernel."""

    def __init__(self):
        super().__init__()
        self.into, self.back = nn.Linear(3, 3 * 4 * 8), nn.Linear(32, 7)

    def forward(self, z):
        query, key, value = self.into(z).unflatten(-1, (3, 4, 8)).unbind(-3)
        return self.back(functional.scaled_dot_product_attention(query, key, value).flatten(-2))


class Transforming(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, batch_first=True)
        self.into, self.encode, self.back = nn.Linear(3, 32), layer, nn.Linear(32, 7)

    def forward(self, z):
        return self.back(self.encode(self.into(z).unflatten(-1, (4, 8))).flatten(-2))


class Cube(torch.autograd.Function):
    """Has a backward pass and nothing else."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * gradient


class Cubed(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 7)

    def forward(self, z):
        return Cube.apply(self.linear(z))


@pytest.mark.parametrize("component", [Attending, Transforming, Cubed])
@pytest.mark.parametrize("graph", [False, True])
def test_layers_that_torch_cannot_push_forward_have_the_same_jacobian(component, graph):
    torch.manual_seed(0)
    decoder, z, h = component().double(), points(), 1e-6
    with torch.set_grad_enabled(graph):
        J = jacobian(decoder, z)
        G = pullback_metric(decoder, z)
    assert J.requires_grad == graph
    decoder.eval()
    with torch.no_grad():
        steps = h * torch.eye(3, dtype=torch_double)
        slopes = torch.stack([(decoder(z + step) - decoder(z - step)) / (2 * h) for step in steps], dim=-1)
    torch.testing.assert_close(J.detach(), slopes, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(G.detach(), slopes.mT @ slopes, rtol=1e-6, atol=1e-8)


def test_a_shape_that_does_not_fit_is_said_as_torch_says_it():
    class Narrow(nn.Module):
        def forward(self, z):
            return z @ torch.ones(4, 2, dtype=torch_double)

    with pytest.raises(RuntimeError, match=r"cannot be multiplied|size mismatch|inconsistent"):
        jacobian(Narrow(), points())


def in_training_mode() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Linear(3, 16), nn.BatchNorm1d(16), nn.SiLU(), nn.Dropout(0.5), nn.Linear(16, 7)]
    decoder = nn.Sequential(*layers).double()
    decoder(points(50))  # moves the running moments away from 0 and 1
    return decoder


def test_a_decoder_left_in_training_mode_is_evaluated_as_in_use_and_left_as_it_was():
    decoder = in_training_mode()
    in_use = copy.deepcopy(decoder).eval()
    z = points()
    moments = decoder[1].running_mean.clone()
    every = [
        lambda f: jacobian(f, z),
        lambda f: pullback_metric(f, z),
        lambda f: pullback_metric([f, f], z),
        lambda f: push_forward(f, z, z[:, None])[1],
        lambda f: pull_back(f, z, torch.ones(len(z), 7, dtype=torch_double)),
        lambda f: expand(f, z, z[:, None]).second,
        lambda f: relaxed_distortion(f, z),
        lambda f: mean_condition_number(f, z),
        lambda f: geodesics(f, z[:5], z[5:10]).length,
        lambda f: curve_lengths(f, z[None]),
    ]
    for function in every:
        torch.testing.assert_close(function(decoder), function(in_use))
    assert decoder.training and all(layer.training for layer in decoder)
    torch.testing.assert_close(decoder[1].running_mean, moments)


def test_affine_maps_are_known_by_what_they_do_and_not_by_their_name():
    z = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wide, narrow = torch.nn.Linear(2, 6).double(), torch.nn.Linear(6, 4).double()
    assert is_affine(wide, z) and is_affine(torch.nn.Sequential(wide, narrow), z) and is_affine([wide, wide], z)
    assert is_affine(lambda points: 3 * points[..., :1] - 1, z) and is_affine(wide.float(), z.float())
    bent = torch.nn.Sequential(wide.double(), torch.nn.Tanh(), narrow)
    assert not is_affine(bent, z) and not is_affine([wide, bent], z) and not is_affine(lambda points: points**2, z)
    # A rectifier is flat where all of its codes lie on one side of its kink, and yet no affine map.
    kinked = torch.nn.Sequential(wide, torch.nn.ReLU(), narrow)
    assert not is_affine(kinked, z)
