"""A fitted method as metrics and pictures may see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metrics.reference import Reference
from metrics.view import OPTIONAL_ABILITIES, View

if TYPE_CHECKING:
    from torch import nn

    from datasets.base import Data

Array = np.ndarray


class NonFiniteError(ArithmeticError):
    """A method returned numbers that are not finite."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted method as metrics see it: latent points of the training and of the scored split, and decoders.

    `decoder` and `encoder` are 'native', 'attached' or 'none'.
    """

    split: str
    Z_train: Array
    Z: Array
    decode: Callable[[Array], Array] | None
    decoders: tuple[Any, ...]
    decoder: str
    encoder: str = "native"
    proxy_features: Callable[[Array], Array] | None = None
    deviation: Callable[[Array], Array] | None = None
    encode: Callable[[Array], Array] | None = None

    def view(
        self,
        data: Data,
        fit_attached: Callable[[], nn.Module] | None = None,
        known: Callable[[], Reference] | None = None,
        attached_floor: Callable[[], float | None] | None = None,
        known_geodesics: Callable[[], Mapping[str, Array] | None] | None = None,
    ) -> View:
        """What metrics may ask of it; without `fit_attached`, of all but the common attached decoder.

        Args:
            known: gives what was computed before of the scored points alone.
            attached_floor: gives the mean condition number of the common decoder where the true one is 1.
            known_geodesics: gives the arrays of the model's geodesics where they were found before.
        """
        return View(
            data, self.split, self.Z, self.Z_train, self.decode, self.decoders, fit_attached or _no_attached,
            self.proxy_features, self.deviation, self.encode, known, attached_floor, known_geodesics,
        )  # fmt: skip


def observe(method: Any, data: Data, split: str) -> Fitted:
    """Encode the training rows and the scored split with a fitted method.

    A method that cannot encode new points is scored on its training embedding, and marked so by the split. One that
    holds the codes of all rows, `codes_`, is not asked to encode any.

    Raises:
        NonFiniteError: it encodes to numbers that are not finite.
        ValueError: it encodes to another shape than (n_samples, latent_dim).
    """
    codes = getattr(method, "codes_", None)
    if codes is not None:
        Z = _latent(codes, len(data.X), "data set's")
        return Fitted(split, Z[data.train], Z[data.rows(split)], **_decoding(method))
    embedding = getattr(method, "embedding_", None)
    encode = getattr(method, "encode", None)
    X_train = data.X[data.train]
    if embedding is None and encode is None:
        raise ValueError("the method has neither encode(X) nor embedding_ after fit")
    if encode is None:
        Z_train = _latent(embedding, len(X_train), "training")
        return Fitted("train", Z_train, Z_train, **_decoding(method) | {"encoder": "none"})
    Z_train = _latent(encode(X_train) if embedding is None else embedding, len(X_train), "training")
    rows = data.rows(split)
    Z = Z_train if split == "train" else _latent(encode(data.X[rows]), len(rows), split)
    return Fitted(split, Z_train, Z, **_decoding(method))


def restored(method: Any, arrays: Mapping[str, Array], split: str) -> Fitted:
    """A method loaded from its saved state, with the latent points saved beside it."""
    return Fitted(split, arrays["Z.train"], arrays["Z.scored"], **_decoding(method))


def _decoding(method: Any) -> dict[str, Any]:
    decode = getattr(method, "decode", None)
    decoders = getattr(method, "geometry_decoders_", None) or getattr(method, "decoders_", None) or ()
    if not isinstance(decoders, Sequence):
        raise ValueError(f"decoders_ must be a list of decoders, got {type(decoders).__name__}")
    kind = getattr(method, "decoder_kind", "native") if decode is not None or decoders else "none"
    if kind == "attached" and not decoders:
        # Left away in a trial that does not ask for it.
        decode, kind = None, "none"
    if kind not in ("native", "attached", "none"):
        raise ValueError(f"decoder_kind must be 'native' or 'attached', got {kind!r}")
    abilities = {name: getattr(method, name, None) for name in OPTIONAL_ABILITIES.values()}
    more = {name: ability if callable(ability) else None for name, ability in abilities.items()}
    encoder = getattr(method, "encoder_kind", "native")
    return {"decode": decode, "decoders": tuple(decoders), "decoder": kind, "encoder": encoder, **more}


def _latent(values: Any, n: int, split: str) -> Array:
    if np.iscomplexobj(values):
        raise ValueError(f"the {split} points encode to complex numbers")
    Z = np.asarray(values, dtype=np.float32)
    if Z.ndim != 2 or len(Z) != n:
        raise ValueError(f"the latent {split} points have shape {Z.shape}, ({n}, latent_dim) is needed")
    if not np.isfinite(Z).all():
        raise NonFiniteError(
            f"{np.count_nonzero(~np.isfinite(Z))} latent coordinates of the {split} points are not finite"
        )
    return Z


def _no_attached() -> nn.Module:
    raise RuntimeError("an attached decoder is fitted once training has ended, for scores only")
