from __future__ import annotations

import threading
from itertools import pairwise

import pytest
import torch
from torch import nn

from methods.networks.convolutions import TransposedConvolution
from methods.networks.layers import stacked_mlp
from metrics.ensembles import in_single_precision, shortened, stacked, together
from metrics.geometry import members_of


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(*widths, seed=0, end=()):
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.SiLU()]
    made = nn.Sequential(*layers[:-1], *end).double()
    with torch.no_grad():
        for at, parameter in enumerate(made.parameters()):
            parameter.copy_(draw(*parameter.shape, seed=seed + at))
    return made


def distances(images):
    return torch.cdist(images, images)


def test_a_shortened_decoder_keeps_all_distances():
    decoder, z = network(2, 6, 5, 40), draw(9, 2)
    short = shortened(decoder, z[:1])
    assert short(z).shape == (9, 5)
    torch.testing.assert_close(distances(short(z)), distances(decoder(z)), rtol=1e-9, atol=1e-9)


def test_several_affine_layers_at_the_end_are_shortened_as_one():
    end = (nn.Linear(40, 50).double(), nn.Linear(50, 30).double())
    decoder, z = network(2, 6, 5, 40, end=end), draw(9, 2)
    short = shortened(decoder, z[:1])
    assert short(z).shape == (9, 5)
    torch.testing.assert_close(distances(short(z)), distances(decoder(z)), rtol=1e-9, atol=1e-9)


def test_a_stack_of_models_is_shortened_model_by_model():
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    decoder, z = stacked_mlp([2, 5, 30], "silu", generators).double(), draw(3, 7, 2)
    short = shortened(decoder, z[:, :1])
    assert short(z).shape == (3, 7, 5)
    torch.testing.assert_close(distances(short(z)), distances(decoder(z)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "decoder",
    [
        pytest.param(network(2, 6, 4), id="narrow output"),
        pytest.param(network(2, 5, 40, end=(nn.Sigmoid(),)), id="sigmoid output"),
        pytest.param(lambda z: z.repeat(1, 9), id="a function"),
        pytest.param(nn.Linear(2, 40).double(), id="one linear layer"),
    ],
)
def test_what_cannot_be_shortened_is_left_as_it_is(decoder):
    assert shortened(decoder, draw(1, 2)) is decoder


def test_a_shortened_decoder_still_takes_the_fast_path(monkeypatch):
    from metrics.geometry import jacobian

    decoder, z = network(2, 6, 5, 40), draw(9, 2)
    monkeypatch.setattr("metrics.geometry._push_forward_by_autodiff", None)
    J, short = jacobian(decoder, z), jacobian(shortened(decoder, z[:1]), z)
    torch.testing.assert_close(short.mT @ short, J.mT @ J, rtol=1e-9, atol=1e-9)


def test_members_evaluated_together_are_the_members_one_by_one():
    members, z = [network(2, 6, 9, seed=seed) for seed in (0, 10, 20)], draw(4, 2)
    expected = torch.stack([member(z) for member in members])
    torch.testing.assert_close(together(members)(z), expected)
    torch.testing.assert_close(together([*members, network(2, 3, 9)])(z)[:3], expected)
    torch.testing.assert_close(together([members[0].forward])(z), expected[:1])


def test_models_of_one_architecture_become_a_stack_convolutional_ones_too():
    def image_decoder(seed):
        layer = TransposedConvolution((2, 4, 4), (1, 8, 8), draw(2, 1, 3, 3, seed=seed), draw(1))
        return network(2, 32, seed=seed, end=(nn.Tanh(), layer))

    models, z = [image_decoder(0), image_decoder(5)], draw(2, 6, 2)
    torch.testing.assert_close(
        stacked(models)(z), torch.stack([model(part) for model, part in zip(models, z, strict=True)])
    )


def test_models_that_differ_are_not_stacked():
    with pytest.raises(ValueError, match="different architectures"):
        stacked([network(2, 6, 9), network(2, 7, 9)])
    with pytest.raises(ValueError, match="different architectures"):
        stacked([nn.Sequential(nn.Linear(2, 9), nn.Tanh()), nn.Sequential(nn.Linear(2, 9), nn.SiLU())])


def test_members_that_differ_in_more_than_their_parameters_are_not_taken_for_one():
    class Scaled(nn.Module):
        def __init__(self, by):
            super().__init__()
            self._by, self.shift = by, nn.Parameter(torch.zeros(2).double())

        def forward(self, z):
            return self._by * z + self.shift

    z = draw(4, 2)
    torch.testing.assert_close(together([Scaled(1.0), Scaled(3.0)])(z), torch.stack([z, 3 * z]))
    torch.testing.assert_close(together([Scaled(z[0]), Scaled(z[1])])(z), torch.stack([z[0] * z, z[1] * z]))


def test_no_decoders_are_no_ensemble():
    with pytest.raises(ValueError, match="at least one"):
        members_of([])


def test_a_copy_in_single_precision_leaves_the_decoder_as_it_is():
    decoder, z = network(2, 6, 5), draw(9, 2)
    exact, single = decoder(z), in_single_precision(decoder, z[:1])
    assert single(z.float()).dtype == torch.float32
    torch.testing.assert_close(single(z.float()).double(), exact, rtol=1e-4, atol=1e-4)
    assert torch.equal(decoder(z), exact)


class Uncopied(nn.Module):
    """Holds a tensor that is computed from others, which torch does not copy."""

    def __init__(self):
        super().__init__()
        self.scale = draw(2).requires_grad_() * 2

    def forward(self, z):
        return z * self.scale.to(z)


class Locked(nn.Module):
    """Holds what Python does not copy."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def forward(self, z):
        return z.sin()


class Particular(nn.Module):
    """Takes points of double precision alone."""

    def forward(self, z):
        if z.dtype != torch.float64:
            raise TypeError("double precision is needed")
        return z.sin()


@pytest.mark.parametrize("decoder", [torch.sin, Uncopied(), Locked(), Particular()])
def test_what_cannot_be_copied_has_no_form_in_single_precision(decoder):
    assert in_single_precision(decoder, draw(1, 2)) is None
