"""A variational autoencoder whose uncertainty is a radial basis function network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from methods.base import Array, DivergedError, hyperparameters, require_positive
from methods.beta_vae import BetaVAE
from methods.ensemble_vae import PUBLISHED_ENSEMBLE
from methods.network_method import evaluate
from methods.training.data import TrainingSet
from methods.training.loop import train
from methods.training.problem import Rows, Task, Terms, same_device
from methods.training.schedule import Schedule
from methods.training.streams import Streams, stream_seed
from metrics.view import NotApplicableError

# In network units: what is added to every squared residual is the square of this.
_SMALLEST_DEVIATION = 1e-2
_LEARNING_RATE = 1e-2
_CLIP_NORM = 100.0


@hyperparameters
class RBFVAE(BetaVAE):
    """VAE whose predictive deviation grows away from the data: the baseline of decoder ensembles.

    After the VAE (a `beta-vae`) is trained and frozen, the precision beta(z) = W v(z) + zeta is fitted to its residuals
    by maximum likelihood; v_k(z) = exp(-lambda_k |z - c_k|^2) around k-means centres c_k of the training codes, and
    lambda_k = 1/2 (a mean_{z in C_k} |z - c_k|)^-2, W > 0. Then sigma = beta^(-1/2), and the metric is
    J_mu^T J_mu + J_sigma^T J_sigma.

    The published baseline takes the square root of the precision for sigma in its geodesics, passes 1 / beta as
    a log-variance in training, and squares distances before their mean in lambda; here all three follow the paper. Also
    different: W is learned on its log (the code: through a softplus, at a tenth of the rate), around posterior means
    (the code: samples), and residuals below 1 % of the data's spread count as 1 %, lest a pixel that never changes
    have an infinite precision.

    Args:
        n_centers: radial basis functions.
        bandwidth: a, the reach of each of them in units of its cluster's radius.
        precision_floor: zeta, the precision far from all data, in network units.
        rbf_epochs: a cap on the second stage; None is that of the first.
        beta: weight of the KL term in the first stage.
        latent_dim, hidden, activation, output, scaling, epochs: see `ae`.
        batch_size, learning_rate, patience, clip_norm, random_state, device: see `ae`.

    Source: Arvanitidis, Hansen and Hauberg, Latent space oddity, ICLR 2018; preset 'published' is the network of
    the ensembles' paper.
    """

    loss: ClassVar[str] = "beta-vae; then -log N(x; f(z), 1 / (W v(z) + zeta))"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "published": {**PUBLISHED_ENSEMBLE, "n_centers": 10, "rbf_epochs": 5}
    }
    search_space: ClassVar[dict[str, Any]] = {
        "learning_rate": {"low": 3e-4, "high": 1e-2, "log": True},
        "beta": {"low": 0.01, "high": 1.0, "log": True},
    }
    saved_modules: ClassVar[tuple[str, ...]] = ("encoder", "decoder", "deviation")

    n_centers: int = 10
    bandwidth: float = 1.0
    precision_floor: float = 0.1
    rbf_epochs: int | None = None
    beta: float = 0.05
    hidden: Sequence[int] = (128, 128)

    def check_parameters(self) -> None:
        super().check_parameters()
        require_positive(self, "n_centers", "bandwidth", "precision_floor", "rbf_epochs")

    @property
    def geometry_decoders_(self) -> list[nn.Module]:
        """One decoder that returns (mu, sigma) side by side, (n, d) -> (n, 2 n_features); at first mu alone."""
        if not self.decoders_ or self.deviation_ is None:
            return self.decoders_
        return [MeanAndDeviation(self.decoders_[0], self.deviation_)]

    def deviation(self, Z: Array) -> Array:
        """Predictive standard deviation sigma (n, n_features) at latent points (n, latent_dim)."""
        if self.deviation_ is None:
            raise NotApplicableError("the deviation is fitted in the second stage, which has not begun")
        return evaluate(self.deviation_, Z)

    @classmethod
    def _task(cls, estimators: Sequence[Self], data: TrainingSet) -> Task:
        for estimator in estimators:
            estimator.deviation_ = None
        return super()._task(estimators, data)

    @classmethod
    def _second_stage(cls, estimators: Sequence[Self], data: TrainingSet) -> list[DivergedError | None]:
        """Fit the precisions to the residuals of the frozen encoders and decoders."""
        kernels = [estimator._basis(data.x) for estimator in estimators]
        failures: list[DivergedError | None] = [None] * len(estimators)
        # Codes that fall together have fewer centres.
        for n_centers in {len(kernel.rates) for kernel in kernels}:
            alike = [at for at, kernel in enumerate(kernels) if len(kernel.rates) == n_centers]
            found = _fit_precisions([estimators[at] for at in alike], [kernels[at] for at in alike], data)
            for at, failure in zip(alike, found, strict=True):
                failures[at] = failure
        return failures

    def _basis(self, x: Tensor) -> _RadialBasis:
        seed = stream_seed(self.random_state, "centres")
        return _RadialBasis.around(self._codes(x), self.n_centers, self.bandwidth, seed)

    @torch.no_grad()
    def _codes(self, x: Tensor) -> Tensor:
        """Posterior means (n, d) of rows x in network units."""
        codes: Tensor = cast("nn.Sequential", self.encoder_)[1:](x)
        return codes

    @torch.no_grad()
    def _squared_residuals(self, x: Tensor, z: Tensor) -> Tensor:
        """Of rows x with codes z, (n, n_features) in network units."""
        return (x - cast("nn.Sequential", self.decoders_[0])[:-1](z)).square_() + _SMALLEST_DEVIATION**2

    def _blank_modules(self, arrays: Mapping[str, Array]) -> dict[str, nn.Module]:
        centres, weight = (torch.tensor(arrays[f"deviation.{name}"]) for name in ("kernel.centres", "weight"))
        kernel = _RadialBasis(centres, torch.ones(len(centres)))
        blank = Deviation(kernel, weight, self.precision_floor, torch.ones(()))
        return {**super()._blank_modules(arrays), "deviation": blank}


def _fit_precisions(
    estimators: Sequence[RBFVAE], kernels: Sequence[_RadialBasis], data: TrainingSet
) -> list[DivergedError | None]:
    """Set `deviation_` of estimators that have equally many centres, trained as one stack."""
    lead = estimators[0]
    rows, held_out = (_residual_rows(estimators, kernels, x) for x in (data.x, data.x_val))
    outcomes = train(
        _StackedPrecision(len(kernels[0].rates), rows.own["square"]),
        Task(_ResidualLikelihood(lead.precision_floor), rows, held_out),
        Streams([stream_seed(estimator.random_state, "precision") for estimator in estimators], data.x.device),
        Schedule(lead.batch_size, lead.rbf_epochs or lead.epochs, lead.patience, _CLIP_NORM),
        same_device([_LEARNING_RATE] * len(estimators), data.x),
    )
    for estimator, kernel, outcome in zip(estimators, kernels, outcomes, strict=True):
        if outcome.diverged is None:
            weight = outcome.parameters.exp().view(-1, data.n_features)
            estimator.deviation_ = Deviation(kernel, weight, lead.precision_floor, data.scale)
    reasons = [outcome.diverged for outcome in outcomes]
    return [None if reason is None else DivergedError(f"second stage: {reason}") for reason in reasons]


def _residual_rows(estimators: Sequence[RBFVAE], kernels: Sequence[_RadialBasis], x: Tensor) -> Rows:
    """The basis functions (S, n, K) at the codes of rows x, and the squared residuals (S, n, n_features)."""
    codes = [estimator._codes(x) for estimator in estimators]
    # Filled one by one: each is as large as the data.
    square = x.new_empty(len(estimators), *x.shape)
    for at, (estimator, z) in enumerate(zip(estimators, codes, strict=True)):
        square[at] = estimator._squared_residuals(x, z)
    basis = torch.stack([kernel(z) for kernel, z in zip(kernels, codes, strict=True)])
    return Rows({}, {"basis": basis, "square": square})


class Deviation(nn.Module):
    """sigma(z) = scale (W v(z) + zeta)^(-1/2), in data units: (n, d) -> (n, n_features)."""

    scale: Tensor

    def __init__(self, kernel: _RadialBasis, weight: Tensor, floor: float, scale: Tensor) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(weight)
        self.floor = floor
        self.register_buffer("scale", scale)

    def forward(self, z: Tensor) -> Tensor:
        return self.scale * (self.kernel(z) @ self.weight + self.floor).rsqrt()


class MeanAndDeviation(nn.Module):
    """mu(z) and sigma(z) side by side, whose pullback metric is J_mu^T J_mu + J_sigma^T J_sigma."""

    def __init__(self, mean: nn.Module, deviation: nn.Module) -> None:
        super().__init__()
        self.mean = mean
        self.deviation = deviation

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat([self.mean(z), self.deviation(z)], dim=-1)


class _RadialBasis(nn.Module):
    """v_k(z) = exp(-lambda_k |z - c_k|^2): (..., d) -> (..., K)."""

    centres: Tensor
    rates: Tensor

    def __init__(self, centres: Tensor, rates: Tensor) -> None:
        super().__init__()
        self.register_buffer("centres", centres)
        self.register_buffer("rates", rates)

    @classmethod
    def around(cls, z: Tensor, n_centers: int, bandwidth: float, seed: int) -> _RadialBasis:
        """Centres and rates from k-means of latent points (n, d)."""
        from sklearn.cluster import KMeans

        points = z.double().cpu().numpy()
        n_centers = min(n_centers, len(np.unique(points, axis=0)))
        means = KMeans(n_centers, n_init=1, random_state=seed % 2**32).fit(points)
        away = np.linalg.norm(points - means.cluster_centers_[means.labels_], axis=1)
        radii = np.bincount(means.labels_, weights=away) / np.bincount(means.labels_)
        # A cluster of one point has no radius of its own.
        radii = np.maximum(radii, max(0.1 * float(radii.mean()), 1e-2 * float(points.std()), 1e-6))
        rates = 0.5 / (bandwidth * radii) ** 2
        return cls(z.new_tensor(means.cluster_centers_), z.new_tensor(rates))

    def forward(self, z: Tensor) -> Tensor:
        away = (z.unsqueeze(-2) - self.centres).square().sum(-1)
        return (-self.rates * away).exp()


class _StackedPrecision(nn.Module):
    """W = exp(log_weight) > 0, (S, K, n_features), at first the same precision everywhere."""

    def __init__(self, n_centers: int, square: Tensor) -> None:
        super().__init__()
        self.log_weight = nn.Parameter(-square.mean(1, keepdim=True).log().repeat(1, n_centers, 1))


class _ResidualLikelihood:
    """Negative log-likelihood of squared residuals under N(0, 1 / beta), up to a constant."""

    def __init__(self, floor: float) -> None:
        self.floor = floor

    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        return {}

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        precision = batch["basis"] @ model.log_weight.exp() + self.floor
        return {"loss": 0.5 * (batch["square"] * precision - precision.log()).sum(-1).mean(-1)}
