"""Checks of encoding and decoding, and of the decoder's geometry."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.conformance.subject import ConformanceError, NotOfferedError, Subject, quietly


def check_encoding(subject: Subject) -> None:
    """encode(X) gives finite float32 of shape (n_samples, latent_dim)."""
    Z = subject.Z
    if Z.ndim != 2 or len(Z) != len(subject.X):
        raise ConformanceError(f"latent points have shape {Z.shape}, ({len(subject.X)}, latent_dim) is needed")
    wanted = getattr(subject.fitted, "latent_dim", Z.shape[1])
    if Z.shape[1] != wanted:
        raise ConformanceError(f"latent points have {Z.shape[1]} coordinates, latent_dim is {wanted}")
    if Z.dtype != np.float32:
        raise ConformanceError(f"latent points are {Z.dtype}; float32 is needed")
    if not np.isfinite(Z).all():
        raise ConformanceError("latent points are not all finite")


def check_encoding_of_new_points(subject: Subject) -> None:
    """encode takes any number of rows, also one."""
    if getattr(subject.fitted, "encode", None) is None:
        raise NotOfferedError("cannot encode new points; is scored on its training embedding")
    one = np.asarray(quietly(lambda: subject.fitted.encode(subject.X[:1] + 0.01)))
    if one.shape != (1, subject.Z.shape[1]):
        raise ConformanceError(f"one row encodes to shape {one.shape}, (1, {subject.Z.shape[1]}) is needed")


def check_embedding_is_of_the_training_rows(subject: Subject) -> None:
    """embedding_, where there is one, has a row for each row of X, about where encode(X) puts it."""
    embedding = getattr(subject.fitted, "embedding_", None)
    if embedding is None:
        raise NotOfferedError("has no embedding_; the training rows are encoded")
    if getattr(subject.fitted, "encoder_kind", "native") == "attached":
        raise NotOfferedError("encodes by a network fitted to embedding_, which the few epochs here do not bring there")
    if len(embedding) != len(subject.X):
        raise ConformanceError(f"embedding_ has {len(embedding)} rows, X had {len(subject.X)}")
    away = np.linalg.norm(subject.Z - embedding, axis=1)
    spread = np.linalg.norm(embedding - np.mean(embedding, axis=0), axis=1)
    if np.median(away) > 0.5 * np.median(spread):
        raise ConformanceError("encode(X) puts the training rows far from embedding_; both must share one latent space")


def check_decoding(subject: Subject) -> None:
    """decode(Z) gives finite float32 of shape (n_samples, n_features)."""
    if not hasattr(subject.fitted, "decode"):
        raise NotOfferedError("has no decoder; scores of the decoder are n/a")
    X_hat = np.asarray(subject.fitted.decode(subject.Z))
    if X_hat.shape != subject.X.shape:
        raise ConformanceError(f"decode gives shape {X_hat.shape}, {subject.X.shape} is needed")
    if X_hat.dtype != np.float32:
        raise ConformanceError(f"decode gives {X_hat.dtype}; float32 is needed")
    if not np.isfinite(X_hat).all():
        raise ConformanceError("decoded points are not all finite")


def check_decoders_agree_with_decode(subject: Subject) -> None:
    """The mean over decoders_ is decode."""
    import torch

    decoders = decoders_of(subject)
    z = torch.as_tensor(subject.Z)
    with torch.no_grad():
        mean = sum(decoder(z) for decoder in decoders) / len(decoders)
    gap = float(np.abs(np.asarray(mean) - subject.fitted.decode(subject.Z)).max())
    if gap > 1e-4 * float(np.abs(subject.X).max()):
        raise ConformanceError(f"the mean of decoders_ differs from decode by up to {gap:.3g}")


def check_decoders_are_differentiable(subject: Subject) -> None:
    """The pullback metric of decoders_ is finite, and the Jacobian agrees with finite differences."""
    import copy

    import torch

    from metrics.geometry import jacobian

    for decoder in decoders_of(subject):
        exact = copy.deepcopy(decoder).double()
        z = torch.as_tensor(subject.Z[:5], dtype=torch.float64)
        with torch.no_grad():
            J = jacobian(exact, z)
            # Small enough for curvature, large enough for double precision.
            step = 1e-5 * float(np.abs(subject.Z).max() + 1e-3)
            for k in range(z.shape[1]):
                shift = torch.zeros_like(z)
                shift[:, k] = step
                slope = (exact(z + shift) - exact(z - shift)) / (2 * step)
                if not torch.allclose(J[:, :, k], slope, rtol=1e-3, atol=1e-4 * float(J.abs().max()) + 1e-12):
                    raise ConformanceError(
                        "the decoder's Jacobian differs from finite differences; is it piecewise constant?"
                    )


def decoders_of(subject: Subject) -> list[Any]:
    decoders = getattr(subject.fitted, "decoders_", None)
    if not decoders:
        raise NotOfferedError("has no differentiable decoder; geometry is n/a")
    return list(decoders)
