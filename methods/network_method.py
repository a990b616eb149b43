"""Methods that train an encoder and decoders: fitting one or a stack of them, encoding, saving."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from methods.base import (
    Array,
    DivergedError,
    Method,
    OnEpoch,
    check_matrix,
    check_stack,
    hyperparameters,
    require_choices,
    require_not_negative,
    require_positive,
    require_widths,
)
from methods.networks.layers import Activation, Affine
from methods.training.data import Scaling, TrainingSet, training_set
from methods.training.device import choose_device
from methods.training.loop import Outcome, train
from methods.training.parameters import single
from methods.training.problem import Problem, Rows, Task, same_device
from methods.training.schedule import Schedule
from methods.training.streams import Streams

# Layers of a plain encoder, and of each plain decoder, in network units.
Extracted = tuple[list[nn.Module], list[list[nn.Module]]]


@hyperparameters
class NetworkMethod(Method):
    """A method whose models train as one stack; one model alone is a stack of one.

    Subclasses say how a stacked model is built (`_build`), what is minimised (`_problem`, or `_task` where it
    takes more than the rows themselves) and what plain encoder and decoders a trained member becomes (`_extract`).
    """

    stackable: ClassVar[tuple[str, ...]] = ("learning_rate",)
    saved_modules: ClassVar[tuple[str, ...]] = ("encoder", "decoder")

    latent_dim: int = 2
    activation: Activation = "silu"
    scaling: Scaling = "standard"
    epochs: int | None = None
    batch_size: int = 100
    learning_rate: float = 1e-3
    patience: int | None = 100
    clip_norm: float | None = 100.0
    random_state: int = 0
    device: str = "auto"

    @abstractmethod
    def _build(self, n_features: int, generators: Sequence[torch.Generator]) -> nn.Module:
        """A stacked model in network units, one member for each generator."""

    def _problem(self, n_features: int) -> Problem:
        """What is minimised."""
        raise NotImplementedError

    @classmethod
    def _task(cls, estimators: Sequence[Self], data: TrainingSet) -> Task:
        """What is minimised, and on which rows."""
        problem = estimators[0]._problem(data.n_features)
        return Task(problem, Rows({"x": data.x}), Rows({"x": data.x_val}))

    @abstractmethod
    def _extract(self, model: nn.Module, s: int) -> Extracted:
        """Plain layers of the s-th member's encoder and of each of its decoders, in network units."""

    def _schedule(self) -> Schedule:
        return Schedule(self.batch_size, self.epochs, self.patience or None, self.clip_norm)

    def fit(
        self,
        X: Array,
        y: Array | None = None,
        *,
        X_val: Array | None = None,
        y_val: Array | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Train on X (n_samples, n_features); without X_val, a tenth of X is held out for early stopping.

        Args:
            y, y_val: labels or features of the rows of X and of X_val, for methods that learn from them.

        Raises:
            DivergedError: training produced numbers that are not finite.
            ValueError: a hyperparameter or the data cannot be used.
        """
        failures = self.fit_many([self], X, y, X_val=X_val, y_val=y_val, on_epoch=[on_epoch])
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
        y_val: Array | None = None,
        on_epoch: Sequence[OnEpoch | None] | None = None,
    ) -> list[DivergedError | None]:
        """Train estimators that differ only in `random_state` and `stackable` parameters, as one stack.

        Each gets what it would get alone.

        Returns:
            For each estimator None, or why it diverged; the others are not touched by that.
        """
        check_stack(estimators)
        for estimator in estimators:
            estimator.check_parameters()
        lead = estimators[0]
        streams = Streams([estimator.random_state for estimator in estimators], choose_device(lead.device))
        data = training_set(check_matrix(X), y, X_val, y_val, lead.scaling, streams)
        lead.check_shape(*data.x.shape)
        failures = cls._train(estimators, data, on_epoch)
        trained = [at for at, failure in enumerate(failures) if failure is None]
        later = cls._second_stage([estimators[at] for at in trained], data)
        for at, failure in zip(trained, later, strict=True):
            failures[at] = failure
        return failures

    @classmethod
    def _train(
        cls, estimators: Sequence[Self], data: TrainingSet, on_epoch: Sequence[OnEpoch | None] | None
    ) -> list[DivergedError | None]:
        """Train encoders and decoders as one stack, and hand them over to the estimators."""
        lead = estimators[0]
        model = lead._build(data.n_features, data.streams.generators("initialisation")).to(data.streams.device)
        hand_over = _HandOver(lead, model, data)
        weights = {name: same_device([getattr(e, name) for e in estimators], data.x) for name in cls.stackable}
        rates = same_device([estimator.learning_rate for estimator in estimators], data.x)
        callback = _callback(estimators, on_epoch, hand_over)
        task = cls._task(estimators, data)
        outcomes = train(model, task, data.streams, lead._schedule(), rates, weights, callback)
        return [_finish(*pair, hand_over) for pair in zip(estimators, outcomes, strict=True)]

    @classmethod
    def _second_stage(cls, estimators: Sequence[Self], data: TrainingSet) -> list[DivergedError | None]:
        """What is fitted to finished encoders and decoders; for each estimator None, or why that diverged."""
        return [None] * len(estimators)

    def check_parameters(self) -> None:
        require_choices(self)
        require_positive(self, "latent_dim", "epochs", "batch_size", "learning_rate", "clip_norm")
        if self.patience is not None:
            require_not_negative(self, "patience")
        if hasattr(self, "hidden"):
            require_widths(self.hidden)

    @property
    def decoders_(self) -> list[nn.Module]:
        check_is_fitted(self)
        return list(self.decoder_)

    def encode(self, X: Array) -> Array:
        """Latent points (n_samples, latent_dim), float32."""
        check_is_fitted(self)
        return evaluate(self.encoder_, check_matrix(X, self.n_features_in_))

    def state_arrays(self) -> dict[str, Array]:
        """All that `load_arrays` needs to encode and decode exactly as now."""
        return {
            f"{part}.{name}": value.detach().cpu().numpy()
            for part in self.saved_modules
            if isinstance(module := getattr(self, f"{part}_"), nn.Module)
            for name, value in module.state_dict().items()
        }

    def load_arrays(self, arrays: Mapping[str, Array]) -> Self:
        """Become the fitted method that `state_arrays` was taken from; hyperparameters must be the same."""
        self.n_features_in_ = len(arrays["encoder.0.shift"])
        for part, module in self._blank_modules(arrays).items():
            state = {
                name.removeprefix(f"{part}."): torch.tensor(value)
                for name, value in arrays.items()
                if name.startswith(f"{part}.")
            }
            module.to(torch.tensor(arrays["encoder.0.shift"]).dtype).load_state_dict(state)
            setattr(self, f"{part}_", module)
        return self

    def _blank_modules(self, arrays: Mapping[str, Array]) -> dict[str, nn.Module]:
        """The saved modules by name, to load a saved state into."""
        n_features = self.n_features_in_
        encoder, decoders = self._extract(self._build(n_features, [torch.Generator()]), 0)
        return {
            "encoder": nn.Sequential(Affine.blank(n_features), *encoder),
            "decoder": nn.ModuleList(nn.Sequential(*layers, Affine.blank(n_features)) for layers in decoders),
        }


def evaluate(module: nn.Module, values: Array) -> Array:
    """A module applied to rows (n, ...) in chunks, without gradients, as float32."""
    like = next(iter(module.parameters()))
    rows = torch.as_tensor(np.asarray(values), dtype=like.dtype, device=like.device)
    with torch.no_grad():
        return np.concatenate([module(part).cpu().numpy() for part in rows.split(2_048)]).astype(np.float32)


class _HandOver:
    """Gives an estimator the encoder and decoders that a row of a stack's parameters stands for."""

    def __init__(self, lead: NetworkMethod, model: nn.Module, data: TrainingSet) -> None:
        self._lead, self._data = lead, data
        self._template, self._slot = single(model)

    def __call__(self, estimator: Any, parameters: Tensor) -> None:
        self._slot.load(parameters)
        encoder, decoders = self._lead._extract(self._template, 0)
        into, back = self._data.into_network_units, self._data.into_data_units
        estimator.encoder_ = nn.Sequential(into(), *encoder)
        estimator.decoder_ = nn.ModuleList(nn.Sequential(*layers, back()) for layers in decoders)
        estimator.n_features_in_ = self._data.n_features


def _callback(
    estimators: Sequence[Any],
    callbacks: Sequence[OnEpoch | None] | None,
    hand_over: _HandOver,
) -> Callable[[int, int, Mapping[str, float], Tensor], bool] | None:
    """The loop's `on_epoch` from those of the estimators, each of which can encode while it is asked."""
    if callbacks is None or not any(callbacks):
        return None
    history: list[dict[str, list[float]]] = [{} for _ in estimators]

    def on_epoch(member: int, epoch: int, scores: Mapping[str, float], parameters: Tensor) -> bool:
        asked = callbacks[member]
        if asked is None:
            return False
        hand_over(estimators[member], parameters)
        for name, value in scores.items():
            history[member].setdefault(name, []).append(value)
        estimators[member].history_ = history[member]
        return bool(asked(epoch, scores))

    return on_epoch


def _finish(estimator: Any, outcome: Outcome, hand_over: _HandOver) -> DivergedError | None:
    estimator.history_ = outcome.history
    if outcome.diverged is not None:
        return DivergedError(f"{outcome.diverged}; a lower learning_rate or clip_norm may help")
    hand_over(estimator, outcome.parameters)
    return None
