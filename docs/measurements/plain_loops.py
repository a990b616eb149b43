"""Two published trainings as plain loops, written from their descriptions, beside ours.

`python FILE vae SEED...`: the VAE of Lee et al., ICLR 2022, on the digits 0 and 1 of MNIST's test file, 8,000 steps.
`python FILE nrae SEED...`: the second-order NRAE, NeurIPS 2021, as released, on the turned digit.
"""

from __future__ import annotations

import math
import sys
import time
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.func import jvp

from datasets.idx import MNIST
from datasets.transformed_digit import RotatedDigit
from methods.nrae import NRAEQ
from methods.vae import VAE

STEPS = 8_000


def perceptron(widths, activation, last):
    layers = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), activation())]
    return nn.Sequential(*layers[:-1], last)


def plain_vae(X, seed):
    """Encoder to mean and log-deviation, one learnable deviation of the likelihood, Adam at 1e-4, batches of 100."""
    torch.manual_seed(seed)
    encoder = perceptron([784, 256, 256, 256, 256, 4], nn.ReLU, nn.Identity())
    decoder = perceptron([2, 256, 256, 256, 256, 784], nn.ReLU, nn.Sigmoid())
    sigma = nn.Parameter(torch.ones(()))
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters(), sigma], lr=1e-4)
    steps = 0
    while steps < STEPS:
        for index in torch.randperm(len(X)).split(100):
            mean, log_deviation = encoder(X[index]).chunk(2, dim=-1)
            z = mean + log_deviation.exp() * torch.randn_like(mean)
            square = (decoder(z) - X[index]).square().sum(-1)
            likelihood = 392 * math.log(2 * math.pi) + 784 * sigma.log() + square / (2 * sigma**2)
            divergence = 0.5 * (mean**2 + (2 * log_deviation).exp() - 2 * log_deviation - 1).sum(-1)
            adam.zero_grad()
            (likelihood + divergence).mean().backward()
            adam.step()
            steps += 1
    return lambda x: decoder(encoder(x)[:, :2])


def vae(seed):
    data = MNIST(digits=[0, 1], source="t10k", split="contiguous").load()
    train, test = (torch.tensor(data.X[rows]) for rows in (data.train, data.test))
    epochs = STEPS // math.ceil(len(train) / 100)
    ours = VAE(**{**VAE.presets["published"], "epochs": epochs}, random_state=seed)
    ours.fit(train.numpy(), X_val=data.X[data.validation])
    loop = plain_vae(train, seed)
    with torch.no_grad():
        return {
            "plain": float((loop(test) - test).square().mean()),
            "ours": float(np.square(ours.decode(ours.encode(test.numpy())) - test.numpy()).mean()),
        }


def plain_nrae(X, seed):
    """One of 15 neighbours a step, its weight 10, expanded to the second order by forward mode over forward mode."""
    torch.manual_seed(seed)
    encoder = perceptron([784, 512, 512, 512, 1], nn.ReLU, nn.Identity())
    decoder = perceptron([1, 512, 512, 512, 784], nn.ReLU, nn.Sigmoid())
    neighbours = torch.cdist(X, X).topk(16, largest=False).indices[:, 1:]
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    for epoch in range(1001):
        if epoch > 800 and epoch % 10 == 0:
            adam.param_groups[0]["lr"] *= 0.9
        for centre in torch.randperm(len(X)).split(50):
            near = neighbours[centre, torch.randint(15, (len(centre),))]
            z = encoder(X[centre])
            step = encoder(X[near]) - z
            (value, first), (_, second) = jvp(lambda a, d=step: jvp(decoder, (a,), (d,)), (z,), (step,))
            of_centre = (value - X[centre]).square().sum(-1)
            of_neighbour = (value + first + second / 2 - X[near]).square().sum(-1)
            adam.zero_grad()
            (of_centre + 10 * of_neighbour).mean().backward()
            adam.step()
    return encoder


def order(z):
    """Share of steps along the angle that go the way of most."""
    up = float((np.diff(z) > 0).mean())
    return max(up, 1 - up)


def nrae(seed):
    data = RotatedDigit().load()
    train, test = data.X[data.train], data.X[data.test][np.argsort(data.intrinsic[data.test, 0])]
    ours = NRAEQ(**NRAEQ.presets["published-rotated"], random_state=seed).fit(train, X_val=data.X[data.validation])
    encoder = plain_nrae(torch.tensor(train), seed)
    with torch.no_grad():
        return {"plain": order(encoder(torch.tensor(test))[:, 0].numpy()), "ours": order(ours.encode(test)[:, 0])}


if __name__ == "__main__":
    torch.set_num_threads(1)
    compare = {"vae": vae, "nrae": nrae}[sys.argv[1]]
    for number in sys.argv[2:]:
        began = time.perf_counter()
        found = ", ".join(f"{name} {value:.4f}" for name, value in compare(int(number)).items())
        sys.stdout.write(f"seed {number}: {found} ({time.perf_counter() - began:.0f} s)\n")
        sys.stdout.flush()
