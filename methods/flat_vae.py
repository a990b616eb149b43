"""The flat-manifold variational autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from methods.base import hyperparameters, require_not_negative
from methods.regularised_vae import BoundBetween, RegularisedVAE
from methods.training.problem import Problem
from metrics.geometry import pull_back, pullback_metric, push_forward


@hyperparameters
class FlatVAE(RegularisedVAE):
    """VAE whose decoder's metric is pulled to one constant: evidence bound + flat_reg E |G - c^2 I|_F^2.

    c^2 = E[tr G] / latent_dim, taken at points between (and `mixup` beyond) random pairs of sampled latent points. The
    term has the units of G squared: it is made small by inflating the codes as well as by an isometry, which is what
    the scale-free F of `irvae` mends. The paper's hierarchical prior is not here: it is
    N(0, I), as for all VAEs here.

    Args:
        flat_reg: weight of the deviation, in network units.
        mixup: reach of the mixing coefficient beyond [0, 1].
        beta, initial_sigma: see `vae`.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, patience, clip_norm, random_state, device: see `ae`.

    Source: Chen, Klushyn, Ferroni, Bayer and van der Smagt, Learning flat latent manifolds with VAEs, ICML 2020. There
    is no preset 'published': its prior, its constrained optimisation and its weight are not here.
    """

    loss: ClassVar[str] = "vae + flat_reg E |G - c^2 I|^2, c^2 = E[tr G] / d"
    search_space: ClassVar[dict[str, Any]] = {
        "learning_rate": {"low": 3e-4, "high": 1e-2, "log": True},
        "flat_reg": {"low": 1e-3, "high": 1e2, "log": True},
    }
    stackable: ClassVar[tuple[str, ...]] = ("learning_rate", "beta", "flat_reg")

    flat_reg: float = 1.0

    def check_parameters(self) -> None:
        super().check_parameters()
        require_not_negative(self, "flat_reg")

    def _problem(self, n_features: int) -> Problem:
        return BoundBetween(self.latent_dim, self.mixup, "flat_reg", _deviation)


def _deviation(decoder: Any, z: Tensor, probes: Tensor | None) -> dict[str, Tensor]:
    """E |G - c^2 I|^2 = E tr G^2 - (E tr G)^2 / d, exactly or from probes v: tr G ~ |Jv|^2, tr G^2 ~ |J^T J v|^2."""
    if probes is None:
        G = pullback_metric(decoder, z)
        trace, trace_of_square = G.diagonal(dim1=-2, dim2=-1).sum(-1).mean(-1), G.square().sum((-1, -2)).mean(-1)
    else:
        Jv = push_forward(decoder, z, probes)[1]
        pulled = [pull_back(decoder, z, one) for one in Jv.unbind(-2)]
        trace = Jv.square().sum(-1).mean((-1, -2))
        trace_of_square = torch.stack([Gv.square().sum(-1).mean(-1) for Gv in pulled]).mean(0)
    return {"penalty": trace_of_square - trace.square() / z.shape[-1]}
