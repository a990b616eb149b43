"""Decoders fitted to a frozen embedding, for methods that have none of their own.

The same network, budget and activation as the autoencoders' decoder, trained on (Z, X) pairs and stopped
early on a tenth of them held out.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from methods.base import (
    Array,
    DivergedError,
    Method,
    OnEpoch,
    check_matrix,
    check_stack,
    hold_out,
    hyperparameters,
    require_positive,
    require_widths,
)
from methods.networks.layers import Activation, Affine, member, stacked_mlp
from methods.training.device import choose_device
from methods.training.loop import train
from methods.training.parameters import single
from methods.training.problem import Rows, Task, Terms, same_device
from methods.training.schedule import Schedule
from methods.training.streams import Streams

LEARNING_RATE = 1e-3
BATCH_SIZE = 100
PATIENCE = 100
CLIP_NORM = 100.0


def fit_decoders(
    embeddings: Sequence[Array],
    X: Array,
    seeds: Sequence[int],
    *,
    hidden: Sequence[int] = (128, 128),
    activation: Activation = "silu",
    epochs: int | None = None,
    device: str = "auto",
) -> list[nn.Sequential | DivergedError]:
    """Fit one decoder to each of S embeddings of the same rows X, as one stack.

    Args:
        embeddings: S arrays (n, d), each in units of its own.
        X: data (n, n_features). seeds: one for each decoder.
        hidden: layer widths of the autoencoders' encoder; the decoder has them in reverse.

    Returns:
        For each embedding a module (n, d) -> (n, n_features) in data units, or why it diverged.
    """
    on = choose_device(device)
    dtype = torch.get_default_dtype()
    x, x_scale, x_centre = _standardised(torch.as_tensor(X, dtype=dtype, device=on))
    inputs = [_standardised(torch.as_tensor(Z, dtype=dtype, device=on)) for Z in embeddings]
    z = torch.stack([standardised for standardised, _, _ in inputs])
    kept, held_out = (torch.as_tensor(rows, device=on) for rows in hold_out(len(X)))
    streams = Streams(seeds, on)
    widths = [z.shape[-1], *list(hidden)[::-1], x.shape[1]]
    model = stacked_mlp(widths, activation, streams.generators("attached decoder")).to(on)
    template, slot = single(model)
    rows = [Rows({"x": x[part]}, {"z": z[:, part]}) for part in (kept, held_out)]
    schedule = Schedule(BATCH_SIZE, epochs, PATIENCE, CLIP_NORM)
    rates = same_device([LEARNING_RATE] * len(seeds), x)
    outcomes = train(model, Task(_Regression(), *rows), streams, schedule, rates)
    decoders: list[nn.Sequential | DivergedError] = []
    for outcome, (_, scale, centre) in zip(outcomes, inputs, strict=True):
        if outcome.diverged is not None:
            decoders.append(DivergedError(f"attached decoder: {outcome.diverged}"))
            continue
        slot.load(outcome.parameters)
        layers = member(template.children(), 0)
        decoders.append(nn.Sequential(Affine(1 / scale, -centre / scale), *layers, Affine(x_scale, x_centre)))
    return decoders


def empty_decoder(d: int, n_features: int, hidden: Sequence[int], activation: Activation) -> nn.Sequential:
    """A decoder of the shape that `fit_decoders` gives, to load a saved state into."""
    layers = member(stacked_mlp([d, *list(hidden)[::-1], n_features], activation, [torch.Generator()]), 0)
    return nn.Sequential(Affine.blank(d), *layers, Affine.blank(n_features))


@hyperparameters
class AttachedDecoderMethod(Method):
    """A method that embeds, and has a decoder fitted to its frozen training embedding inside `fit`.

    Subclasses implement `_embed`, which sets `embedding_`, and `encode`.

    Several of them embed one after the other, and have their decoders fitted as one stack.
    """

    decoder_kind: ClassVar[Literal["native", "attached"]] = "attached"
    # Embedding, the better part of the work, is done one after the other.
    least_stack: ClassVar[int] = 1

    latent_dim: int = 2
    hidden: Sequence[int] = (128, 128)
    activation: Activation = "silu"
    epochs: int | None = None
    random_state: int = 0
    device: str = "auto"

    @abstractmethod
    def _embed(self, X: Array) -> None:
        """Set `embedding_` (n_samples, latent_dim), and what `encode` needs.

        Raises:
            ValueError: a hyperparameter cannot be used with these data.
        """

    def fit(
        self,
        X: Array,
        y: Array | None = None,
        *,
        X_val: Array | None = None,
        on_epoch: OnEpoch | None = None,
        attach: bool = True,
    ) -> Self:
        """Embed X (n_samples, n_features) and fit the attached decoder; X_val and on_epoch have no effect.

        Args:
            attach: False leaves the decoder away, for those who only encode.

        Raises:
            DivergedError: the decoder's training produced numbers that are not finite.
            ValueError: a hyperparameter or the data cannot be used.
        """
        failures = self.fit_many([self], X, attach=attach)
        if failures[0] is not None:
            raise failures[0]
        return self

    @classmethod
    def fit_many(cls, estimators: Sequence[Self], X: Array, *, attach: bool = True) -> list[DivergedError | None]:
        """Fit estimators that differ only in `random_state` and `stackable` parameters.

        Args:
            attach: False leaves the decoders away.

        Returns:
            For each estimator None, or why its decoder diverged.
        """
        check_stack(estimators)
        for estimator in estimators:
            estimator.check_parameters()
        X = check_matrix(X)
        for estimator in estimators:
            estimator.check_shape(*X.shape)
        cls._embed_all(estimators, X)
        for estimator in estimators:
            estimator.n_features_in_ = X.shape[1]
            estimator.history_ = {}
        return cls._attach_all(estimators, X) if attach else [None] * len(estimators)

    @classmethod
    def _attach_all(cls, estimators: Sequence[Self], X: Array) -> list[DivergedError | None]:
        """Fit the decoders as one stack; their time is kept apart from the embedding's."""
        started = time.perf_counter()
        lead = estimators[0]
        decoders = fit_decoders(
            [estimator.embedding_ for estimator in estimators],
            X,
            [estimator.random_state for estimator in estimators],
            hidden=lead.hidden,
            activation=lead.activation,
            epochs=lead.epochs,
            device=lead.device,
        )
        share = (time.perf_counter() - started) / len(estimators)
        for estimator, decoder in zip(estimators, decoders, strict=True):
            estimator.decoder_seconds_ = share
            if not isinstance(decoder, DivergedError):
                estimator.decoder_ = decoder
        return [decoder if isinstance(decoder, DivergedError) else None for decoder in decoders]

    @classmethod
    def _embed_all(cls, estimators: Sequence[Self], X: Array) -> None:
        for estimator in estimators:
            estimator._embed(X)

    def check_parameters(self) -> None:
        require_positive(self, "latent_dim", "epochs")
        require_widths(self.hidden)

    @property
    def decoders_(self) -> list[nn.Module]:
        return [self.decoder_]

    def state_arrays(self) -> dict[str, Array]:
        """The embedding and the decoder: enough to decode and to be scored, not to encode new points."""
        state = {f"decoder.{name}": value.cpu().numpy() for name, value in self.decoder_.state_dict().items()}
        return {"embedding": np.asarray(self.embedding_, dtype=np.float32), **state}

    def load_arrays(self, arrays: Mapping[str, Array]) -> Self:
        """Take up a saved state; the result decodes, but does not encode new points."""
        state = {
            name.removeprefix("decoder."): torch.tensor(value)
            for name, value in arrays.items()
            if name.startswith("decoder.")
        }
        self.embedding_ = np.asarray(arrays["embedding"])
        last = max((name for name in state if name.endswith(".shift")), key=lambda name: int(name.split(".")[0]))
        self.n_features_in_ = len(state[last])
        self.decoder_ = empty_decoder(self.embedding_.shape[1], self.n_features_in_, self.hidden, self.activation)
        self.decoder_.load_state_dict(state)
        return self


class _Regression:
    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        return {}

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        return {"loss": (model(batch["z"]) - batch["x"]).square().mean((1, 2))}


def _standardised(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values centred and divided by one scalar, that scalar, and the centre."""
    centre = values.mean(0)
    scale = (values - centre).square().mean().sqrt()
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (values - centre) / scale, scale, centre
