"""What all built-in methods share. A third party's method needs no base class, only the same contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array

if TYPE_CHECKING:
    from torch import nn

Array = np.ndarray
T = TypeVar("T")
OnEpoch = Callable[[int, Mapping[str, float]], bool | None]


class DivergedError(ArithmeticError):
    """Training produced numbers that are not finite."""


@dataclass_transform()
def hyperparameters(cls: type[T]) -> type[T]:
    """A class whose `__init__` takes its annotated attributes and those of its bases, and stores them verbatim.

    A subclass names what it adds and what it has other defaults for. Annotations of the signature are types, not
    text, so that they can be read from any module.
    """
    made = dataclass(eq=False, repr=False)(cls)
    types = get_type_hints(made)
    made.__init__.__annotations__ = {field.name: types[field.name] for field in fields(made)} | {"return": None}  # type: ignore[arg-type]
    return made


class Method(BaseEstimator):
    """A representation-learning method: hyperparameters are exactly the signature of `__init__`.

    Attributes:
        loss: what is minimised, in a line. needs: what it wants beside rows of numbers, in a few words.
        presets: named hyperparameter settings; 'published' is the paper's.
        search_space: ranges ({'low', 'high', 'log'}) or choices (a list) that tuning draws from.
        stackable: hyperparameters that may differ between models trained as one stack.
        least_stack: models that are better trained together than by a process for each part of them.
        decoder_kind: 'native', or 'attached' where a decoder is fitted to a frozen embedding.
        packages: those that it needs beside the installation's own, from `latentbench[more]`.
        prior: 'normal' where latent points drawn from N(0, I) decode to new data, else None.
    """

    loss: ClassVar[str] = ""
    needs: ClassVar[str] = ""
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    search_space: ClassVar[dict[str, Any]] = {}
    stackable: ClassVar[tuple[str, ...]] = ()
    least_stack: ClassVar[int] = 4
    decoder_kind: ClassVar[Literal["native", "attached"]] = "native"
    packages: ClassVar[tuple[str, ...]] = ()
    prior: ClassVar[Literal["normal"] | None] = None

    def check_parameters(self) -> None:
        """Raise ValueError, naming the parameter and its value, where one cannot be used."""

    def check_shape(self, n_samples: int, n_features: int) -> None:
        """Raise ValueError, naming the parameter and its value, where it does not suit so many rows to be fitted to."""

    @property
    def decoders_(self) -> list[nn.Module]:
        """Differentiable decoders, latent (n, d) -> (n, n_features); one unless an ensemble."""
        raise NotImplementedError

    @property
    def geometry_decoders_(self) -> list[nn.Module]:
        """What the metric tensor is pulled back from."""
        return self.decoders_

    def decode(self, Z: Array) -> Array:
        """Data (n, n_features) of latent points (n, latent_dim): the mean over `decoders_`."""
        import torch

        decoders = self.decoders_
        like = next(iter(decoders[0].parameters()))
        z = torch.as_tensor(np.asarray(Z), dtype=like.dtype, device=like.device)
        with torch.no_grad():
            parts = [sum(decoder(part) for decoder in decoders) / len(decoders) for part in z.split(8_192)]
        return np.concatenate([np.asarray(part.cpu(), dtype=np.float32) for part in parts])


def check_matrix(X: Any, n_features: int | None = None) -> Array:
    """X as a float32 matrix (n_samples, n_features).

    Raises:
        ValueError: it is not a finite real matrix, or has another number of features than the method was fitted to.
        TypeError: it is sparse.
    """
    matrix = check_array(X, dtype=np.float32, order="C", input_name="X")
    if n_features is not None and matrix.shape[1] != n_features:
        raise ValueError(f"X has {matrix.shape[1]} features, the method was fitted to {n_features}")
    return np.asarray(matrix)


def check_stack(estimators: Sequence[Method]) -> None:
    """Raise ValueError where estimators differ in more than `random_state` and `stackable` parameters."""
    free = {"random_state", *estimators[0].stackable}
    common = [{k: v for k, v in e.get_params().items() if k not in free} for e in estimators]
    for other in common[1:]:
        different = [name for name in other if other[name] != common[0][name]]
        if different:
            raise ValueError(f"models of one stack may differ in {sorted(free)} only, not in {different}")


def hold_out(n: int) -> tuple[Array, Array]:
    """Row numbers of n rows to learn from, and of a tenth of them held out, the same for every seed.

    Raises:
        ValueError: there are fewer than 2.
    """
    if n < 2:
        raise ValueError(f"at least 2 rows are needed to hold one out, got n_samples = {n}")
    order = np.random.default_rng(0).permutation(n)
    cut = max(1, n // 10)
    return np.sort(order[cut:]), np.sort(order[:cut])


def require_positive(method: Any, *names: str) -> None:
    """Raise ValueError where one of these parameters is set and not positive."""
    for name in names:
        value = getattr(method, name)
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")


def require_not_negative(method: Any, *names: str) -> None:
    """Raise ValueError where one of these parameters is negative."""
    for name in names:
        if getattr(method, name) < 0:
            raise ValueError(f"{name} must not be negative, got {getattr(method, name)}")


def require_latent_dim_within(method: Any, n_samples: int, n_features: int) -> None:
    """Raise ValueError where a method needs as many samples and features as latent dimensions, and has not."""
    for name, n in (("n_features", n_features), ("n_samples", n_samples)):
        if method.latent_dim > n:
            raise ValueError(f"latent_dim = {method.latent_dim} exceeds {name} = {n}")


def require_neighbors_within(method: Any, n_samples: int) -> None:
    """Raise ValueError where a method's graph needs as many neighbours as there are samples, or more."""
    if method.n_neighbors >= n_samples:
        raise ValueError(f"n_neighbors = {method.n_neighbors} must be below n_samples = {n_samples}")


def require_choices(method: Any) -> None:
    """Raise ValueError where a parameter annotated with a Literal has none of its values."""
    hints = get_type_hints(type(method).__init__)
    for name, hint in hints.items():
        if get_origin(hint) is Literal and getattr(method, name) not in get_args(hint):
            known = ", ".join(repr(value) for value in get_args(hint))
            raise ValueError(f"{name} must be one of {known}, got {getattr(method, name)!r}")


def require_widths(widths: Sequence[int], name: str = "hidden") -> None:
    """Raise ValueError unless these are layer widths, all of them positive."""
    if isinstance(widths, int | str) or not all(isinstance(width, int | np.integer) for width in widths):
        raise ValueError(f"{name} must be a list of whole layer widths, got {widths!r}")
    if any(width < 1 for width in widths):
        raise ValueError(f"{name} must hold positive layer widths, got {list(widths)}")
