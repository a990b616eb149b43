"""How far a decoder is from an isometry: relaxed distortion, condition number, metric variance.

All are functions of the pullback metric G alone and do not change when the latent space is rotated or
scaled. Each takes one decoder or a sequence of them (an ensemble: G is then the mean over members). Only
`relaxed_distortion` can be differentiated; the other two keep no graph, and thereby bounded memory.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metrics.geometry import (
    Decoder,
    Decoders,
    as_latent,
    members_of,
    metric_eigenvalues,
    pull_back,
    pullback_metric,
    push_forward,
)

# Above this latent dimension d tangents cost more than random probes with their vector-Jacobian products.
EXACT_UP_TO = 16
# In units of the mean eigenvalue, what is added to each before a logarithm that gradients flow through.
_LEAST_EIGENVALUE = 1e-6


def relaxed_distortion(decoder: Decoders, z: Tensor, probes: Tensor | None = None) -> Tensor:
    """d E[tr G^2] / (E[tr G])^2 - 1 over the points z; IRVAE's regulariser.

    Exact up to 16 latent dimensions; above that, or where probes are given, estimated by
    `probed_distortion`. Differentiable in z and in the decoder's parameters.

    Args:
        decoder: maps (..., n, d) to (..., n, n_features).
        z: latent points (..., n, d).
        probes: random signs (..., n, k, d), k probes at each point.

    Returns:
        A scalar (one for each leading index) in [0, inf), lower is better: 0 exactly where G is the same
        multiple of the identity at all points, a scaled isometry.

    Source: Lee, Yoon, Son and Park, Regularized Autoencoders for Isometric Representation Learning,
    ICLR 2022, relaxed distortion measure with h(l) = (l - 1)^2.
    """
    z = as_latent(z)
    members = members_of(decoder)
    if len(members) > 1 or (probes is None and z.shape[-1] <= EXACT_UP_TO):
        return distortion_of(pullback_metric(members, z))
    return probed_distortion(members[0], z, random_signs(z) if probes is None else probes)[0]


def distortion_of(G: Tensor) -> Tensor:
    """`relaxed_distortion` of metrics already at hand, (..., n, d, d) -> (...)."""
    d = G.shape[-1]
    # Dividing by the mean trace before squaring keeps large Jacobians from overflowing single precision.
    trace = G.diagonal(dim1=-2, dim2=-1).sum(-1).mean(-1)
    relative = G / trace[..., None, None, None]
    return d * relative.square().sum((-1, -2)).mean(-1) - 1


def probed_distortion(decoder: Decoder, z: Tensor, probes: Tensor) -> tuple[Tensor, Tensor]:
    """`relaxed_distortion` from Rademacher probes v: tr G ~ |Jv|^2, tr G^2 ~ |J^T J v|^2.

    Args:
        decoder: maps (..., n, d) to (..., n, n_features).
        z: latent points (..., n, d).
        probes: random signs (..., n, k, d), k probes at each point, at least 2 for an error.

    Returns:
        The estimate and its standard error over the probes (delta method; NaN for a single probe), one for each
        leading index.
    """
    Jv = push_forward(decoder, z, probes)[1]
    # Working in units of the mean stretch keeps the fourth power below from overflowing single precision.
    unit = Jv.detach().square().sum(-1).mean((-2, -1)).sqrt()[..., None, None, None]
    Jv = Jv / unit
    Gv = torch.stack([pull_back(decoder, z, Jv[..., k, :] / unit[..., 0]) for k in range(probes.shape[-2])], dim=-2)
    trace, trace_of_square = Jv.square().sum(-1).mean(-2), Gv.square().sum(-1).mean(-2)
    mean, mean_of_square = trace.mean(-1), trace_of_square.mean(-1)
    estimate = z.shape[-1] * mean_of_square / mean.square() - 1
    influence = trace_of_square / mean_of_square[..., None] - 2 * trace / mean[..., None]
    n_probes = probes.shape[-2]
    if n_probes == 1:
        return estimate, torch.full_like(estimate, torch.nan)
    error = (estimate + 1) * influence.std(-1) / n_probes**0.5
    return estimate, error.detach()


def random_signs(z: Tensor, k: int = 16, seed: int = 0) -> Tensor:
    """k Rademacher probes at each of the points z (..., n, d) -> (..., n, k, d), the same for equal seeds."""
    generator = torch.Generator().manual_seed(seed)
    coins = torch.randint(0, 2, (*z.shape[:-1], k, z.shape[-1]), generator=generator)
    return (2 * coins - 1).to(z)


@torch.no_grad()
def mean_condition_number(decoder: Decoders, z: Tensor) -> Tensor:
    """MCN: mean over points of lambda_max(G) / lambda_min(G), G = J^T J (the square of J's condition number).

    A point whose G is singular to working precision counts as rank-deficient (`rank_deficient`) and enters
    the mean with 1 / eps, the largest condition number that precision can tell.

    Args:
        decoder: maps (n, d) to (n, n_features).
        z: latent points (n, d).

    Returns:
        A scalar in [1, 1 / eps], lower is better: 1 where the decoder stretches all directions alike.

    Source: Lee et al., ICLR 2022, mean condition number.
    """
    return condition_numbers(pullback_metric(decoder, z)).mean()


def condition_numbers(G: Tensor) -> Tensor:
    """lambda_max / lambda_min of metrics (..., d, d) -> (...), at most 1 / eps."""
    eigenvalues = metric_eigenvalues(G)
    largest = eigenvalues[..., -1]
    floor = (torch.finfo(G.dtype).eps * largest).clamp_min(torch.finfo(G.dtype).tiny)
    condition = largest.clamp_min(floor) / torch.maximum(eigenvalues[..., 0], floor)
    return torch.where(rank_deficient(G), 1 / torch.finfo(G.dtype).eps, condition)


def rank_deficient(G: Tensor) -> Tensor:
    """Whether metrics (..., d, d) are singular to working precision -> boolean (...)."""
    eigenvalues = metric_eigenvalues(G)
    threshold = G.shape[-1] * torch.finfo(G.dtype).eps * eigenvalues[..., -1]
    return eigenvalues[..., 0] <= threshold


@torch.no_grad()
def log_det_variance(decoder: Decoders, z: Tensor) -> Tensor:
    """Spread of the magnification over points: variance of log det G, unbiased.

    Does not change under any linear change of latent coordinates. Four times the variance of the log magnification
    log sqrt(det G); says nothing of stretching one way more than another.

    Args:
        decoder: maps (n, d) to (n, n_features).
        z: latent points (n, d), at least 2.

    Returns:
        A scalar in [0, inf), lower is better: 0 where volumes are magnified alike everywhere. NaN where a metric is
        singular.

    Source: Nazari, Damrich and Hamprecht, Geometric Autoencoders, ICML 2023.
    """
    return log_det_variance_of(pullback_metric(decoder, z))


def log_det_variance_of(G: Tensor) -> Tensor:
    """`log_det_variance` of metrics already at hand, (n, d, d) -> scalar."""
    if bool(rank_deficient(G).any()):
        return torch.full((), torch.nan, dtype=G.dtype, device=G.device)
    return torch.linalg.slogdet(G).logabsdet.var()


def log_determinants(G: Tensor) -> Tensor:
    """log det of metrics (..., d, d) -> (...), differentiable; a singular one counts as the least that can be told.

    A millionth of the mean eigenvalue is added to each: nothing beside the determinants that are worth comparing, and
    finite where a decoder has lost a direction.
    """
    # The difference of products that a determinant is loses half of single precision's digits.
    exact = G.double()
    d = G.shape[-1]
    mean_eigenvalue = exact.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(torch.finfo(G.dtype).tiny ** 0.5)
    lifted = exact + (_LEAST_EIGENVALUE * mean_eigenvalue)[..., None, None] * torch.eye(d).to(exact)
    return torch.linalg.slogdet(lifted).logabsdet.to(G.dtype)


def conformal_distortion(decoder: Decoders, z: Tensor) -> Tensor:
    """E[d tr G^2 / (tr G)^2] - 1 over the points z: how far the decoder is from keeping angles.

    `relaxed_distortion` with a scale of its own for every point. Differentiable in z and in the decoder's parameters.

    Args:
        decoder: maps (..., n, d) to (..., n, n_features).
        z: latent points (..., n, d).

    Returns:
        A scalar (one for each leading index) in [0, d - 1], lower is better: 0 exactly where G is a multiple of the
        identity at each point, a conformal map.

    Source: Lee, Yoon, Son and Park, ICLR 2022, with the ratio inside the mean.
    """
    G = pullback_metric(decoder, z)
    trace = G.diagonal(dim1=-2, dim2=-1).sum(-1)
    relative = G / trace.clamp_min(torch.finfo(G.dtype).tiny)[..., None, None]
    return G.shape[-1] * relative.square().sum((-1, -2)).mean(-1) - 1


@torch.no_grad()
def metric_variance(decoder: Decoders, z: Tensor) -> Tensor:
    """Spread of the metric over points: mean of sum_k log^2 lambda_k, generalised eigenvalues of (G_i, mean G).

    The squared affine-invariant distance to the mean metric; it does not change under any linear change of
    latent coordinates.

    Args:
        decoder: maps (n, d) to (n, n_features).
        z: latent points (n, d).

    Returns:
        A scalar in [0, inf), lower is better: 0 where G is the same at all points. NaN where even the mean
        metric is singular.

    Source: Lee et al., ICLR 2022, variance of the Riemannian metric, with generalised eigenvalues in place
    of the published singular values, which are not invariant.
    """
    return variance_of(pullback_metric(decoder, z))


def variance_of(G: Tensor) -> Tensor:
    """`metric_variance` of metrics already at hand, (n, d, d) -> scalar."""
    relative = _relative_to_the_mean(G)
    if relative is None:
        return torch.full((), torch.nan, dtype=G.dtype, device=G.device)
    return _log_eigenvalues(relative).square().sum(-1).mean(-1)


def variance_by_point(G: Tensor) -> Tensor:
    """`metric_variance` by point, (n, d, d) -> (n,): the score with each point's influence on it.

    A point moves the mean metric too, to which all are compared. NaN where even that is singular.
    """
    relative = _relative_to_the_mean(G)
    if relative is None:
        return torch.full_like(G[..., 0, 0], torch.nan)
    values, vectors = torch.linalg.eigh(relative)
    logarithms = values.clamp_min(torch.finfo(G.dtype).eps).log()
    mean_logarithm = torch.einsum("nij,nj,nkj->ik", vectors, logarithms, vectors) / len(G)
    moved = (mean_logarithm * (relative - torch.eye(G.shape[-1]).to(G))).sum((-1, -2))
    return logarithms.square().sum(-1) - 2 * moved


def _relative_to_the_mean(G: Tensor) -> Tensor | None:
    """L^-1 G L^-T where L L^T is the mean metric; None where that is singular."""
    mean = G.mean(-3)
    factor, failed = torch.linalg.cholesky_ex(mean)
    if bool(failed) or bool(rank_deficient(mean)):
        return None
    half = torch.linalg.solve_triangular(factor, G, upper=False)
    return torch.linalg.solve_triangular(factor, half.transpose(-1, -2), upper=False)


def _log_eigenvalues(G: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(G).clamp_min(torch.finfo(G.dtype).eps).log()
