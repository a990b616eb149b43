from __future__ import annotations

import pytest
import torch
from torch import nn

from methods.networks.convolutions import TransposedConvolution, Upsample
from metrics.taylor import expand

ACTIVATIONS = [nn.SiLU(), nn.ReLU(), nn.ELU(alpha=0.7), nn.Tanh(), nn.Sigmoid(), nn.Softplus(beta=2.0), nn.Identity()]


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(activation: nn.Module) -> nn.Sequential:
    layers = nn.Sequential(nn.Linear(3, 6), activation, nn.Linear(6, 5), activation, nn.Linear(5, 4)).double()
    with torch.no_grad():
        for seed, parameter in enumerate(layers.parameters()):
            parameter.copy_(draw(*parameter.shape, seed=seed))
    return layers


def expected(decoder, z, delta):
    J = torch.func.vmap(torch.func.jacrev(decoder))(z)
    H = torch.func.vmap(torch.func.hessian(decoder))(z)
    first = torch.einsum("nDd,ntd->ntD", J, delta)
    return decoder(z), first, torch.einsum("ntd,nDde,nte->ntD", delta, H, delta)


@pytest.mark.parametrize("activation", [*ACTIVATIONS, nn.GELU()], ids=lambda a: type(a).__name__)
def test_the_expansion_agrees_with_jacobian_and_hessian_by_autodiff(activation):
    decoder, z, delta = network(activation), draw(7, 3), draw(7, 2, 3, seed=1)
    for ours, theirs in zip(expand(decoder, z, delta), expected(decoder, z, delta), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_convolutional_decoders_are_expanded_layer_by_layer():
    weight = draw(2, 1, 3, 3, seed=3)
    convolution = TransposedConvolution((2, 4, 4), (1, 4, 4), weight, draw(1))
    decoder = nn.Sequential(nn.Linear(3, 8).double(), nn.Tanh(), Upsample((2, 2, 2), (2, 4, 4)), convolution)
    z, delta = draw(5, 3), draw(5, 2, 3, seed=1)
    for ours, theirs in zip(expand(decoder, z, delta), expected(decoder, z, delta), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_quadratic_map_is_its_own_expansion():
    A, b = draw(4, 3, 3), draw(4)

    def decoder(z):
        return torch.einsum("...d,Dde,...e->...D", z, A, z) + b

    z, delta = draw(6, 3), draw(6, 1, 3, seed=2)
    jet = expand(decoder, z, delta)
    reached = jet.value[:, None] + jet.first + 0.5 * jet.second
    torch.testing.assert_close(reached, decoder(z[:, None] + delta), rtol=1e-12, atol=1e-12)


def test_the_expansion_can_be_differentiated():
    decoder, z, delta = network(nn.SiLU()), draw(4, 3).requires_grad_(), draw(4, 1, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: expand(decoder, a, b).second, (z, delta))
