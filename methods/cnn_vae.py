"""The convolutional variational autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn

from methods.base import hyperparameters, require_widths
from methods.networks.convolutions import (
    Generators,
    MaxPool,
    Residual,
    Shape,
    Upsample,
    convolution,
    halved,
    image_levels,
    image_shape,
    transposed_convolution,
)
from methods.networks.layers import ACTIVATIONS, Output, StackedLinear, output_layer
from methods.vae import FixedVarianceVAE

_KERNEL = 3


@hyperparameters
class CNNVAE(FixedVarianceVAE):
    """Convolutional variational autoencoder for images: summed squared error + beta KL(q(z|x) | N(0, I)).

    The encoder halves the image at each level by a convolution with max-pooling, followed by a residual block, and
    ends in mean and log-deviation; the decoder doubles it by nearest-neighbour upsampling, each time followed by a
    transposed convolution. Any image size will do: an odd one is halved upwards. The loss is the evidence bound of
    a Gaussian likelihood with variance beta / 2 in network units.

    Args:
        beta: weight of the KL term.
        channels: channels at each level; each level halves height and width.
        sample_shape: (channels, height, width) of a sample; the runner fills it from the data set. Without one, a
            sample is a signal, an image of height 1.
        latent_dim, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, patience, clip_norm, random_state, device: see `ae`.

    Source: Kingma and Welling 2014; residual blocks of He et al. 2016. There is no one paper; preset 'published' is the
    usual setting for pixels in [0, 1], a sigmoid output and no scaling. With ReLU in place of SiLU one seed in three
    ended with a dead decoder.
    """

    loss: ClassVar[str] = "|f(z) - x|^2 + beta KL(q(z|x) | N(0, I))"
    needs: ClassVar[str] = "images, or signals"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": {"output": "sigmoid", "scaling": "none", "beta": 1.0, "patience": None}
    }
    search_space: ClassVar[dict[str, Any]] = {
        "learning_rate": {"low": 3e-4, "high": 3e-3, "log": True},
        "beta": {"low": 0.1, "high": 10.0, "log": True},
    }

    beta: float = 1.0
    channels: Sequence[int] = (16, 32, 64)
    output: Output = "linear"
    sample_shape: Sequence[int] | None = None

    def check_parameters(self) -> None:
        super().check_parameters()
        require_widths(self.channels, "channels")
        if not self.channels:
            raise ValueError("channels must name at least one level")

    def _build(self, n_features: int, generators: Generators) -> nn.Module:
        levels = image_levels(image_shape(self.sample_shape, n_features), len(self.channels))
        return nn.ModuleDict({
            "encoder": nn.Sequential(*self._encoder(levels, generators)),
            "decoder": nn.Sequential(*self._decoder(levels, generators)),
        })  # fmt: skip

    def _encoder(self, levels: Sequence[Shape], generators: Generators) -> list[nn.Module]:
        layers: list[nn.Module] = []
        shape = levels[0]
        for n_out in self.channels:
            wide = (n_out, *shape[1:])
            layers += [convolution(shape, n_out, _KERNEL, generators), MaxPool(wide), self._activation()]
            shape = halved(wide)
            layers += [self._residual(shape, generators), self._activation()]
        n_coded = shape[0] * shape[1] * shape[2]
        return [*layers, StackedLinear(n_coded, 2 * self.latent_dim, generators)]

    def _residual(self, shape: Shape, generators: Generators) -> nn.Module:
        first, second = (convolution(shape, shape[0], _KERNEL, generators) for _ in range(2))
        return Residual(nn.Sequential(first, self._activation(), second))

    def _activation(self) -> nn.Module:
        return ACTIVATIONS[self.activation]()

    def _decoder(self, levels: Sequence[Shape], generators: Generators) -> list[nn.Module]:
        widths = [*self.channels[::-1], levels[0][0]]
        shape = (widths[0], *levels[-1][1:])
        layers: list[nn.Module] = [StackedLinear(self.latent_dim, shape[0] * shape[1] * shape[2], generators)]
        for n_out, level in zip(widths[1:], levels[-2::-1], strict=True):
            larger, wanted = (shape[0], *level[1:]), (n_out, *level[1:])
            layers += [
                self._activation(),
                Upsample(shape, larger),
                transposed_convolution(larger, wanted, _KERNEL, generators),
            ]
            shape = wanted
        return [*layers, *output_layer(self.output)]
