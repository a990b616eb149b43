"""Batch normalisation for a stack of models, whose moments belong to the model's parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.networks.convolutions import ImageLayer, Shape
from methods.networks.layers import Member

# As Keras has them.
_MOMENTUM = 0.01
_EPSILON = 1e-3


class BatchNorm(ImageLayer):
    """Each channel centred and divided by its deviation over a training batch; by running moments in evaluation.

    The running moments are parameters that no loss depends on: each model of a stack has its own, and the best
    epoch's go with the best epoch's weights. They change in the forward pass of a training batch and at no other
    time.
    """

    def __init__(self, shape: Shape, n_models: int) -> None:
        super().__init__(shape, shape)
        size = (n_models, shape[0])
        self.gain = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))
        self.mean = nn.Parameter(torch.zeros(size))
        self.variance = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.unflatten(-1, (self.in_shape[0], -1))
        mean, variance = (self._of_batch(pixels) if self.training else (self.mean, self.variance))  # fmt: skip
        gain = self.gain * (variance + _EPSILON).rsqrt()
        return _affine(pixels, gain[:, None, :, None], (self.bias - mean * gain)[:, None, :, None])

    def member(self, s: Member) -> ChannelAffine:
        gain = (self.gain[s] * (self.variance[s] + _EPSILON).rsqrt()).detach()
        return ChannelAffine(self.in_shape, gain, (self.bias[s] - self.mean[s] * gain).detach())

    def _of_batch(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (S, channels) of a batch, by which the running moments are moved."""
        mean, variance = pixels.mean((1, 3)), pixels.var((1, 3), correction=0)
        with torch.no_grad():
            self.mean.lerp_(mean, _MOMENTUM)
            self.variance.lerp_(variance, _MOMENTUM)
        return mean, variance


class ChannelAffine(ImageLayer):
    """x -> gain x + bias with a gain and a bias for each channel: what `BatchNorm` is once it is trained."""

    gain: Tensor
    bias: Tensor

    def __init__(self, shape: Shape, gain: Tensor, bias: Tensor) -> None:
        super().__init__(shape, shape)
        self.register_buffer("gain", gain)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        return _affine(x.unflatten(-1, (self.in_shape[0], -1)), self.gain[:, None], self.bias[:, None])

    def linear_part(self, tangents: Tensor) -> Tensor:
        pixels = tangents.unflatten(-1, (self.in_shape[0], -1))
        return (pixels * self.gain[:, None]).flatten(-2)


def _affine(pixels: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    return (pixels * gain + bias).flatten(-2)
