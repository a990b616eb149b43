"""Training as published code does it: plain modules, `torch.optim.Adam`, one model after the other."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from bench.kernels import published

BATCH = 100


def _perceptron(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class PlainAutoencoder(nn.Module):
    def __init__(self, n_features: int, hidden: list[int]) -> None:
        super().__init__()
        self.encoder = _perceptron([n_features, *hidden, 2])
        self.decoder = _perceptron([2, *hidden[::-1], n_features])

    def loss(self, x: Tensor) -> Tensor:
        return (self.decoder(self.encoder(x)) - x).square().mean()


class PlainIRVAE(nn.Module):
    """With the relaxed distortion of one probe at each point, by nested differentiation."""

    def __init__(self, n_features: int, hidden: list[int]) -> None:
        super().__init__()
        self.encoder = _perceptron([n_features, *hidden, 4])
        self.decoder = _perceptron([2, *hidden[::-1], n_features])

    def loss(self, x: Tensor) -> Tensor:
        mean, log_deviation = self.encoder(x).chunk(2, dim=-1)
        z = mean + log_deviation.exp() * torch.randn_like(mean)
        alpha = torch.rand(len(z), 1, device=z.device) * 1.4 - 0.2
        between = alpha * z + (1 - alpha) * z[torch.randperm(len(z), device=z.device)]
        kl = 0.5 * (mean.square() + (2 * log_deviation).exp() - 2 * log_deviation - 1).sum(1).mean()
        distortion = published.distortion(self.decoder, between, torch.randn_like(z)[:, None])
        return 0.5 * (self.decoder(z) - x).square().sum(1).mean() + kl + 100.0 * distortion


def train(model: PlainAutoencoder | PlainIRVAE, X: Tensor, X_val: Tensor, epochs: int) -> nn.Module:
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        order = torch.randperm(len(X), device=X.device)
        for start in range(0, len(X), BATCH):
            optimiser.zero_grad()
            model.loss(X[order[start : start + BATCH]]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 100.0)
            optimiser.step()
        model.loss(X_val).item()
    return model
