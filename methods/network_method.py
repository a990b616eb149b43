"""Methods that train an encoder and a decoder: fitting one or a stack of them, encoding, saving."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from methods.base import (
    Array,
    DivergedError,
    Method,
    OnEpoch,
    check_matrix,
    require_positive,
    require_widths,
)
from methods.networks import Affine, choose_device
from methods.streams import Streams
from methods.training import Outcome, Problem, Schedule, SharedRows, same_device, single, train

_HELD_OUT_SHARE = 0.1


class NetworkMethod(Method):
    """A method whose models train as one stack; one model alone is a stack of one.

    Subclasses say how a stacked model is built (`_build`), what is minimised (`_problem`) and what plain
    encoder and decoder a trained member becomes (`_extract`).
    """

    stackable: ClassVar[tuple[str, ...]] = ("learning_rate",)

    latent_dim: int
    hidden: Sequence[int]
    epochs: int | None
    batch_size: int
    learning_rate: float
    patience: int | None
    clip_norm: float | None
    scaling: str
    random_state: int
    device: str

    @abstractmethod
    def _build(self, n_features: int, generators: Sequence[torch.Generator]) -> nn.Module:
        """A stacked model in network units, one member for each generator."""

    @abstractmethod
    def _problem(self, n_features: int) -> Problem:
        """What is minimised."""

    @abstractmethod
    def _extract(self, model: nn.Module, s: int) -> tuple[list[nn.Module], list[nn.Module]]:
        """Plain layers of the s-th member's encoder and decoder, in network units."""

    def fit(
        self, X: Array, y: Array | None = None, *, X_val: Array | None = None, on_epoch: OnEpoch | None = None
    ) -> Self:
        """Train on X (n_samples, n_features); without X_val, a tenth of X is held out for early stopping.

        Raises:
            DivergedError: training produced numbers that are not finite.
            ValueError: a hyperparameter or the data cannot be used.
        """
        failures = self.fit_many([self], X, y, X_val=X_val, on_epoch=[on_epoch])
        if failures[0] is not None:
            raise failures[0]
        return self

    @classmethod
    def fit_many(
        cls,
        estimators: Sequence[Self],
        X: Array,
        y: Array | None = None,
        *,
        X_val: Array | None = None,
        on_epoch: Sequence[OnEpoch | None] | None = None,
    ) -> list[DivergedError | None]:
        """Train estimators that differ only in `random_state` and `stackable` parameters, as one stack.

        Each gets what it would get alone.

        Returns:
            For each estimator None, or why it diverged; the others are not touched by that.
        """
        lead = estimators[0]
        _check_stack(estimators)
        for estimator in estimators:
            estimator.check_parameters()
        device = choose_device(lead.device)
        X, X_val = _hold_out(check_matrix(X), X_val)
        rows, held_out, scale, centre = _in_network_units(X, X_val, lead.scaling, device)
        streams = Streams([estimator.random_state for estimator in estimators], device)
        n_features = X.shape[1]
        model = lead._build(n_features, streams.generators("initialisation")).to(device)
        template, slot = single(model)

        def load(estimator: Self, parameters: Tensor) -> None:
            slot.load(parameters)
            encoder, decoder = lead._extract(template, 0)
            estimator.encoder_ = nn.Sequential(Affine(1 / scale, -centre / scale), *encoder)
            estimator.decoder_ = nn.Sequential(*decoder, Affine(scale, centre))
            estimator.n_features_in_ = n_features

        outcomes = train(
            model,
            lead._problem(n_features),
            SharedRows(rows),
            SharedRows(held_out),
            streams,
            same_device([e.learning_rate for e in estimators], rows),
            {name: same_device([getattr(e, name) for e in estimators], rows) for name in cls.stackable},
            Schedule(lead.batch_size, lead.epochs, lead.patience, lead.clip_norm),
            _callback(estimators, on_epoch, load),
        )
        return [_finish(*pair, load) for pair in zip(estimators, outcomes, strict=True)]

    def check_parameters(self) -> None:
        require_positive(self, "latent_dim", "epochs", "batch_size", "learning_rate", "patience", "clip_norm")
        require_widths(self.hidden)

    @property
    def decoders_(self) -> list[nn.Module]:
        return [self.decoder_]

    def encode(self, X: Array) -> Array:
        """Latent points (n_samples, latent_dim), float32."""
        like = next(iter(self.encoder_.parameters()))
        x = torch.as_tensor(check_matrix(X, self.n_features_in_), dtype=like.dtype, device=like.device)
        with torch.no_grad():
            return np.concatenate([self.encoder_(part).cpu().numpy() for part in x.split(8_192)]).astype(np.float32)

    def state_arrays(self) -> dict[str, Array]:
        """All that `load_arrays` needs to encode and decode exactly as now."""
        return {
            f"{part}.{name}": value.detach().cpu().numpy()
            for part in ("encoder", "decoder")
            for name, value in getattr(self, f"{part}_").state_dict().items()
        }

    def load_arrays(self, arrays: Mapping[str, Array]) -> Self:
        """Become the fitted method that `state_arrays` was taken from; hyperparameters must be the same."""
        dtype = torch.tensor(arrays["encoder.0.shift"]).dtype
        n_features = self.n_features_in_ = len(arrays["encoder.0.shift"])
        encoder, decoder = self._extract(self._build(n_features, [torch.Generator()]), 0)
        self.encoder_ = nn.Sequential(Affine.blank(n_features), *encoder).to(dtype)
        self.decoder_ = nn.Sequential(*decoder, Affine.blank(n_features)).to(dtype)
        for part in ("encoder", "decoder"):
            state = {
                name.removeprefix(f"{part}."): torch.tensor(value)
                for name, value in arrays.items()
                if name.startswith(f"{part}.")
            }
            getattr(self, f"{part}_").load_state_dict(state)
        return self


def _check_stack(estimators: Sequence[NetworkMethod]) -> None:
    free = {"random_state", *estimators[0].stackable}
    common = [{k: v for k, v in e.get_params().items() if k not in free} for e in estimators]
    for other in common[1:]:
        different = [name for name in other if other[name] != common[0][name]]
        if different:
            raise ValueError(f"models of one stack may differ in {sorted(free)} only, not in {different}")


def _hold_out(X: Array, X_val: Array | None) -> tuple[Array, Array]:
    if X_val is not None:
        return X, check_matrix(X_val, X.shape[1])
    if len(X) < 2:
        raise ValueError(f"at least 2 rows are needed to hold one out, got {len(X)}")
    order = np.random.default_rng(0).permutation(len(X))
    cut = max(1, int(_HELD_OUT_SHARE * len(X)))
    return X[np.sort(order[cut:])], X[np.sort(order[:cut])]


def _in_network_units(
    X: Array, X_val: Array, scaling: str, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and held-out rows, the one scale they are divided by and the centre taken off first."""
    dtype = torch.get_default_dtype()
    x, x_val = (torch.as_tensor(values, dtype=dtype, device=device) for values in (X, X_val))
    if scaling == "none":
        scale, centre = torch.ones((), dtype=dtype, device=device), torch.zeros_like(x[0])
    else:
        centre = x.mean(0)
        scale = (x - centre).square().mean().sqrt()
        if scale == 0:
            scale = torch.ones_like(scale)
    return (x - centre) / scale, (x_val - centre) / scale, scale, centre


def _callback(
    estimators: Sequence[Any],
    callbacks: Sequence[OnEpoch | None] | None,
    load: Callable[[Any, Tensor], None],
) -> Callable[[int, int, Mapping[str, float], Tensor], bool] | None:
    """The loop's `on_epoch` from those of the estimators, each of which can encode while it is asked."""
    if callbacks is None or not any(callbacks):
        return None
    history: list[dict[str, list[float]]] = [{} for _ in estimators]

    def on_epoch(member: int, epoch: int, scores: Mapping[str, float], parameters: Tensor) -> bool:
        asked = callbacks[member]
        if asked is None:
            return False
        load(estimators[member], parameters)
        for name, value in scores.items():
            history[member].setdefault(name, []).append(value)
        estimators[member].history_ = history[member]
        return bool(asked(epoch, scores))

    return on_epoch


def _finish(estimator: Any, outcome: Outcome, load: Callable[[Any, Tensor], None]) -> DivergedError | None:
    estimator.history_ = outcome.history
    if outcome.diverged is not None:
        return DivergedError(f"{outcome.diverged}; a lower learning_rate or clip_norm may help")
    load(estimator, outcome.parameters)
    return None
