"""Decoders and encoders fitted to a frozen embedding, for methods that have none of their own.

The same network, budget and activation as the autoencoders' decoder, trained on (Z, X) pairs and stopped
early on a tenth of them held out; encoders the other way.
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
    return _fit_maps("decoder", embeddings, [X], seeds, list(hidden)[::-1], activation, epochs, device)


def fit_encoders(
    X: Array,
    embeddings: Sequence[Array],
    seeds: Sequence[int],
    *,
    hidden: Sequence[int] = (128, 128),
    activation: Activation = "silu",
    epochs: int | None = None,
    device: str = "auto",
) -> list[nn.Sequential | DivergedError]:
    """Fit one encoder to each of S embeddings of the same rows X, as one stack: `fit_decoders` the other way.

    Returns:
        For each embedding a module (n, n_features) -> (n, d) in the embedding's units, or why it diverged.
    """
    return _fit_maps("encoder", [X], embeddings, seeds, hidden, activation, epochs, device)


def _fit_maps(
    role: str,
    sources: Sequence[Array],
    targets: Sequence[Array],
    seeds: Sequence[int],
    hidden: Sequence[int],
    activation: Activation,
    epochs: int | None,
    device: str,
) -> list[nn.Sequential | DivergedError]:
    """S networks that map rows of sources to those of targets; a single source or target is shared by all."""
    on = choose_device(device)
    ends = {"source": _End(sources, on), "target": _End(targets, on)}
    streams = Streams(seeds, on)
    widths = [ends["source"].width, *hidden, ends["target"].width]
    model = stacked_mlp(widths, activation, streams.generators(f"attached {role}")).to(on)
    template, slot = single(model)
    parts = [torch.as_tensor(rows, device=on) for rows in hold_out(len(sources[0]))]
    rows = [
        Rows(
            {name: end.values[0][part] for name, end in ends.items() if end.is_shared},
            {name: end.values[:, part] for name, end in ends.items() if not end.is_shared},
        )
        for part in parts
    ]
    schedule = Schedule(BATCH_SIZE, epochs, PATIENCE, CLIP_NORM)
    rates = same_device([LEARNING_RATE] * len(seeds), ends["source"].values)
    outcomes = train(model, Task(_Regression(), *rows), streams, schedule, rates)
    maps: list[nn.Sequential | DivergedError] = []
    for at, outcome in enumerate(outcomes):
        if outcome.diverged is not None:
            maps.append(DivergedError(f"attached {role}: {outcome.diverged}"))
            continue
        slot.load(outcome.parameters)
        layers = member(template.children(), 0)
        maps.append(nn.Sequential(ends["source"].into_network_units(at), *layers, ends["target"].into_own_units(at)))
    return maps


class _End:
    """What networks start from or end at, S arrays (n, width) or one for all, in network units."""

    def __init__(self, arrays: Sequence[Array], device: torch.device) -> None:
        dtype = torch.get_default_dtype()
        found = [_standardised(torch.as_tensor(values, dtype=dtype, device=device)) for values in arrays]
        self.values = torch.stack([values for values, _, _ in found])
        self.units = [(scale, centre) for _, scale, centre in found]
        self.is_shared = len(found) == 1
        self.width = self.values.shape[-1]

    def into_network_units(self, s: int) -> Affine:
        scale, centre = self.units[0 if self.is_shared else s]
        return Affine(1 / scale, -centre / scale)

    def into_own_units(self, s: int) -> Affine:
        return Affine(*self.units[0 if self.is_shared else s])


def arrays_of(role: str, network: nn.Module) -> dict[str, Array]:
    """The state of a network as arrays, their names beginning with its role."""
    return {f"{role}.{name}": value.cpu().numpy() for name, value in network.state_dict().items()}


def map_from(role: str, arrays: Mapping[str, Array], widths: Sequence[int], activation: Activation) -> nn.Sequential:
    """The network that `arrays_of` was taken from, of the shape that `fit_decoders` and `fit_encoders` give."""
    layers = member(stacked_mlp(widths, activation, [torch.Generator()]), 0)
    network = nn.Sequential(Affine.blank(widths[0]), *layers, Affine.blank(widths[-1]))
    own = {name: value for name, value in arrays.items() if name.startswith(f"{role}.")}
    network.load_state_dict({name.removeprefix(f"{role}."): torch.tensor(value) for name, value in own.items()})
    return network


@hyperparameters
class AttachedDecoderMethod(Method):
    """A method that embeds, and has a decoder fitted to its frozen training embedding inside `fit`.

    Subclasses implement `_embed`, which sets `embedding_`, and `encode`.

    Several of them embed one after the other, and have their decoders fitted as one stack.
    """

    decoder_kind: ClassVar[Literal["native", "attached"]] = "attached"
    # Embedding, the better part of the work, is done one after the other.
    least_stack: ClassVar[int] = 1
    # Whether the embedding is the same for every seed, so that one does for all models of a stack.
    seed_is_idle: ClassVar[bool] = False

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
            For each estimator None, or why what is fitted to its embedding diverged.
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
        failures = cls._attach_encoders(estimators, X)
        if not attach:
            return failures
        return [first or second for first, second in zip(failures, cls._attach_decoders(estimators, X), strict=True)]

    @property
    def _network(self) -> dict[str, Any]:
        """What the networks fitted to the embedding are like."""
        return {name: getattr(self, name) for name in ("hidden", "activation", "epochs", "device")}

    @classmethod
    def _attach_encoders(cls, estimators: Sequence[Self], X: Array) -> list[DivergedError | None]:
        """Fit encoders to the embeddings, for methods that have none; for each estimator None, or why it diverged."""
        return [None] * len(estimators)

    @classmethod
    def _attach_decoders(cls, estimators: Sequence[Self], X: Array) -> list[DivergedError | None]:
        """Fit the decoders as one stack; their time is kept apart from the embedding's."""
        started = time.perf_counter()
        lead = estimators[0]
        decoders = fit_decoders(
            [estimator.embedding_ for estimator in estimators],
            X,
            [estimator.random_state for estimator in estimators],
            **lead._network,
        )
        share = (time.perf_counter() - started) / len(estimators)
        for estimator, decoder in zip(estimators, decoders, strict=True):
            estimator.decoder_seconds_ = share
            if not isinstance(decoder, DivergedError):
                estimator.decoder_ = decoder
        return [decoder if isinstance(decoder, DivergedError) else None for decoder in decoders]

    @classmethod
    def _embed_all(cls, estimators: Sequence[Self], X: Array) -> None:
        if not cls.seed_is_idle:
            for estimator in estimators:
                estimator._embed(X)
            return
        lead, *others = estimators
        lead._embed(X)
        for other in others:
            for name in [name for name in vars(lead) if name.endswith("_")]:
                setattr(other, name, getattr(lead, name))

    def check_parameters(self) -> None:
        require_positive(self, "latent_dim", "epochs")
        require_widths(self.hidden)

    @property
    def decoders_(self) -> list[nn.Module]:
        return [self.decoder_]

    def state_arrays(self) -> dict[str, Array]:
        """The embedding and the decoder: enough to decode and to be scored, not to encode new points."""
        return {"embedding": np.asarray(self.embedding_, dtype=np.float32), **arrays_of("decoder", self.decoder_)}

    def load_arrays(self, arrays: Mapping[str, Array]) -> Self:
        """Take up a saved state; the result decodes, but does not encode new points."""
        self.embedding_ = np.asarray(arrays["embedding"])
        shifts = [name for name in arrays if name.startswith("decoder.") and name.endswith(".shift")]
        self.n_features_in_ = len(arrays[max(shifts, key=lambda name: int(name.split(".")[1]))])
        widths = [self.embedding_.shape[1], *list(self.hidden)[::-1], self.n_features_in_]
        self.decoder_ = map_from("decoder", arrays, widths, self.activation)
        return self


class _Regression:
    def draws(self, streams: Streams, n: int) -> dict[str, Tensor]:
        return {}

    def losses(self, model: Any, batch: dict[str, Tensor], draws: Terms, weights: Terms) -> dict[str, Tensor]:
        return {"loss": (model(batch["source"]) - batch["target"]).square().mean((1, 2))}


def _standardised(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values centred and divided by one scalar, that scalar, and the centre."""
    centre = values.mean(0)
    scale = (values - centre).square().mean().sqrt()
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (values - centre) / scale, scale, centre
