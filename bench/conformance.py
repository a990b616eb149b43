"""The conformance kit: what every method must do to be compared.

    bench check NAME|file.py:Class

or in a test suite, for a method of one's own:

    from bench.conformance import checks
    @pytest.mark.parametrize("check", checks(MyMethod), ids=str)
    def test_conformance(check): check()
"""

from __future__ import annotations

import inspect
import pickle
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from bench.signatures import accepted, defaults, parameters

Array = np.ndarray


class ConformanceError(AssertionError):
    """A method breaks the contract; the message says which part and what to do."""


class NotOfferedError(Exception):
    """A check does not concern this method, because it does not offer what is checked."""


@dataclass(frozen=True)
class Outcome:
    """What one check found."""

    check: str
    status: Literal["passed", "failed", "not offered"]
    detail: str
    seconds: float


@dataclass(frozen=True)
class Check:
    """One check of one method: call it; it raises `ConformanceError` where the method breaks the contract."""

    name: str
    function: Callable[[Subject], None]
    subject: Subject

    def __call__(self) -> None:
        try:
            self.function(self.subject)
        except NotOfferedError:
            return

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Subject:
    """A method's class, small data, and one fitted instance that the checks share."""

    component: Any
    overrides: Mapping[str, Any]

    def make(self, seed: int = 0) -> Any:
        """A new instance: few epochs where there are epochs, small networks where there are layers."""
        known = parameters(self.component)
        small = {
            "epochs": 3,
            "hidden": [16],
            "random_state": seed,
            "device": "cpu",
            "sample_shape": (1, 4, 3),
        }
        chosen = {name: value for name, value in small.items() if name in known}
        return self.component(**{**chosen, **{k: v for k, v in self.overrides.items() if k in known}})

    def fit(self, seed: int = 0) -> Any:
        method = self.make(seed)
        offered = {"y": self.y, "X_val": self.X[:40], "y_val": self.y[:40]}
        return _quietly(lambda: method.fit(self.X.copy(), **accepted(method.fit, offered)))

    @cached_property
    def X(self) -> Array:
        """120 points near a bent surface in 12 dimensions."""
        rng = np.random.default_rng(0)
        u = rng.random((120, 2))
        surface = np.column_stack([np.sin(3 * u[:, 0]), np.cos(3 * u[:, 0]), u[:, 1]])
        return (surface @ rng.normal(size=(3, 12)) + 0.01 * rng.normal(size=(120, 12))).astype(np.float32)

    @cached_property
    def y(self) -> Array:
        return (self.X[:, 0] > np.median(self.X[:, 0])).astype(np.int64)

    @cached_property
    def fitted(self) -> Any:
        return self.fit()

    @cached_property
    def Z(self) -> Array:
        """Latent points of X."""
        if hasattr(self.fitted, "encode"):
            return np.asarray(_quietly(lambda: self.fitted.encode(self.X)))
        if hasattr(self.fitted, "embedding_"):
            return np.asarray(self.fitted.embedding_)
        raise ConformanceError("after fit there is neither encode(X) nor embedding_; a method needs one of them")


def checks(component: Any, **overrides: Any) -> list[Check]:
    """The checks of a method's class, for `pytest.mark.parametrize`.

    Args:
        overrides: hyperparameters to check it with, where its defaults do not suit 120 points in 12 dimensions.
    """
    subject = Subject(component, overrides)
    return [Check(function.__name__.removeprefix("check_"), function, subject) for function in _CHECKS]


def run_checks(component: Any, **overrides: Any) -> list[Outcome]:
    """Run all checks and say what each found; never raises."""
    warm_up = getattr(component, "warm_up", None)
    if warm_up is not None:
        _quietly(warm_up)
    return [_outcome(check) for check in checks(component, **overrides)]


def _outcome(check: Check) -> Outcome:
    began = time.perf_counter()
    status: Literal["passed", "failed", "not offered"] = "passed"
    detail = inspect.getdoc(check.function) or ""
    try:
        check.function(check.subject)
    except NotOfferedError as error:
        status, detail = "not offered", str(error)
    except ConformanceError as error:
        status, detail = "failed", str(error)
    except (Exception, SystemExit) as error:
        status, detail = "failed", f"{type(error).__name__}: {error}"
    return Outcome(check.name, status, detail, time.perf_counter() - began)


def check_hyperparameters_are_the_signature(subject: Subject) -> None:
    """__init__ stores every argument verbatim, under its own name, and does nothing else."""
    known = parameters(subject.component)
    method = subject.make()
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in subject.overrides and name != "sample_shape":
            raise ConformanceError(f"parameter {name!r} has no default; every hyperparameter needs one")
        if not hasattr(method, name):
            raise ConformanceError(f"__init__ does not store {name!r}; add self.{name} = {name}")
    for name, value in defaults(subject.component).items():
        if name in ("epochs", "hidden") or name in subject.overrides:
            continue
        stored = getattr(method, name)
        if list(stored) != list(value) if isinstance(value, list) else stored != value:
            raise ConformanceError(f"__init__ stores {name} = {stored!r}, given {value!r}; store it verbatim")


def check_fit_returns_self(subject: Subject) -> None:
    """fit(X) returns the method itself."""
    method = subject.make()
    returned = _quietly(lambda: method.fit(subject.X.copy(), **accepted(method.fit, {"y": subject.y})))
    if returned is not method:
        raise ConformanceError(f"fit returned {type(returned).__name__}; return self")


def check_fit_leaves_data_alone(subject: Subject) -> None:
    """fit does not write into X."""
    X = subject.X.copy()
    method = subject.make()
    _quietly(lambda: method.fit(X, **accepted(method.fit, {"y": subject.y})))
    if not np.array_equal(X, subject.X):
        raise ConformanceError("fit changed its argument X; work on a copy")


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
    if not hasattr(subject.fitted, "encode"):
        raise NotOfferedError("cannot encode new points; is scored on its training embedding")
    one = np.asarray(_quietly(lambda: subject.fitted.encode(subject.X[:1] + 0.01)))
    if one.shape != (1, subject.Z.shape[1]):
        raise ConformanceError(f"one row encodes to shape {one.shape}, (1, {subject.Z.shape[1]}) is needed")


def check_embedding_is_of_the_training_rows(subject: Subject) -> None:
    """embedding_, where there is one, has a row for each row of X, about where encode(X) puts it."""
    embedding = getattr(subject.fitted, "embedding_", None)
    if embedding is None:
        raise NotOfferedError("has no embedding_; the training rows are encoded")
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

    decoders = _decoders(subject)
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

    for decoder in _decoders(subject):
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


def check_same_seed_same_result(subject: Subject) -> None:
    """Two fits with one seed encode alike."""
    again = subject.fit()
    Z = again.encode(subject.X) if hasattr(again, "encode") else again.embedding_
    gap = float(np.abs(np.asarray(Z) - subject.Z).max())
    if gap > 1e-5 * float(np.abs(subject.Z).max()):
        raise ConformanceError(
            f"two fits with random_state = 0 differ by up to {gap:.3g}; derive all randomness from random_state"
        )


def check_global_randomness_is_left_alone(subject: Subject) -> None:
    """fit does not move numpy's and torch's global random state."""
    import torch

    def state() -> bytes:
        return pickle.dumps(np.random.get_state()) + torch.get_rng_state().numpy().tobytes()  # noqa: NPY002

    kept = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    # A state that no method would set itself.
    np.random.seed(987_654)  # noqa: NPY002
    torch.manual_seed(987_654)
    before = state()
    try:
        subject.fit()
        moved = state() != before
    finally:
        np.random.set_state(kept[0])  # noqa: NPY002
        torch.set_rng_state(kept[1])
    if moved:
        raise ConformanceError("fit moved the global random state; use generators made from random_state")


def check_stopping_at_an_epoch(subject: Subject) -> None:
    """on_epoch(epoch, scores) is called each epoch, and True stops training."""
    method = subject.make()
    if "on_epoch" not in inspect.signature(method.fit).parameters:
        raise NotOfferedError("has no epochs to stop at; is not pruned")
    seen: list[int] = []

    def stop_at_once(epoch: int, scores: Mapping[str, float]) -> bool:
        seen.append(epoch)
        return True

    _quietly(lambda: method.fit(subject.X, **accepted(method.fit, {"y": subject.y}), on_epoch=stop_at_once))
    if not seen:
        raise NotOfferedError("never calls on_epoch; is not pruned")
    if len(seen) > 1:
        raise ConformanceError(f"on_epoch returned True and was called {len(seen)} times; stop when it does")


def check_saving_and_loading(subject: Subject) -> None:
    """A loaded state decodes, and encodes where it can, bit for bit as the method it was taken from."""
    method = subject.fitted
    if not hasattr(method, "state_arrays") or not hasattr(method, "load_arrays"):
        raise NotOfferedError("cannot be saved; a metric added later refits it")
    # Files keep no order of names.
    state = dict(sorted(method.state_arrays().items(), key=lambda item: item[0][::-1]))
    loaded = subject.make().load_arrays(state)
    if hasattr(method, "decode") and not np.array_equal(loaded.decode(subject.Z), method.decode(subject.Z)):
        raise ConformanceError("the loaded method decodes to other numbers")
    if getattr(method, "decoder_kind", "native") == "native" and not np.array_equal(
        loaded.encode(subject.X), method.encode(subject.X)
    ):
        raise ConformanceError("the loaded method encodes to other numbers")


def check_stack_equals_single(subject: Subject) -> None:
    """Models trained as one stack get what each gets alone."""
    if not hasattr(subject.component, "fit_many"):
        raise NotOfferedError("trains one model at a time")
    stack = [subject.make(seed) for seed in (0, 1)]
    offered = accepted(subject.component.fit_many, {"y": subject.y, "X_val": subject.X[:40]})
    failures = subject.component.fit_many(stack, subject.X, **offered)
    if any(failures):
        raise ConformanceError(f"a stack of two diverged: {failures}")
    for seed, member in enumerate(stack):
        alone = subject.make(seed).fit(subject.X, **offered)
        gap = float(np.abs(member.encode(subject.X) - alone.encode(subject.X)).max())
        if gap > 1e-3 * float(np.abs(subject.Z).max()):
            raise ConformanceError(f"seed {seed} alone and in a stack differ by up to {gap:.3g}")


def check_unusable_data_is_refused(subject: Subject) -> None:
    """NaN in X raises ValueError."""
    X = subject.X.copy()
    X[3, 2] = np.nan
    method = subject.make()
    try:
        _quietly(lambda: method.fit(X, **accepted(method.fit, {"y": subject.y})))
    except ValueError:
        return
    raise ConformanceError("fit accepted NaN in X; raise ValueError")


_CHECKS: tuple[Callable[[Subject], None], ...] = (
    check_hyperparameters_are_the_signature,
    check_fit_returns_self,
    check_fit_leaves_data_alone,
    check_encoding,
    check_encoding_of_new_points,
    check_embedding_is_of_the_training_rows,
    check_decoding,
    check_decoders_agree_with_decode,
    check_decoders_are_differentiable,
    check_same_seed_same_result,
    check_global_randomness_is_left_alone,
    check_stopping_at_an_epoch,
    check_saving_and_loading,
    check_stack_equals_single,
    check_unusable_data_is_refused,
)


def _decoders(subject: Subject) -> list[Any]:
    decoders = getattr(subject.fitted, "decoders_", None)
    if not decoders:
        raise NotOfferedError("has no differentiable decoder; geometry is n/a")
    return list(decoders)


def _quietly(action: Callable[[], Any]) -> Any:
    """A method's warnings are its own business here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return action()
