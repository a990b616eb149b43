"""Checks that the same comes again: with the same seed, from a saved state, in a stack."""

from __future__ import annotations

import pickle

import numpy as np

from bench.conformance.subject import ConformanceError, NotOfferedError, Subject
from bench.suite.signatures import accepted


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
