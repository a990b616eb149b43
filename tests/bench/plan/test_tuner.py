from __future__ import annotations

import pytest

from bench.plan.tuner import Tuner, Verdict
from bench.suite.search_space import distributions, from_optuna, to_optuna
from bench.suite.tables import Tune

SPACE = {
    "rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "k": {"low": 2, "high": 9},
    "kind": ["a", "b"],
    "hidden": [[8], [8, 8]],
}
DEFAULTS = {"rate": 1e-3, "k": 5, "kind": "a", "hidden": [8, 8]}


def quality(params) -> float:
    return -abs(params["k"] - 7) + len(params["hidden"])


def play(tmp_path, sampler: str, batches: int = 4) -> tuple[list[dict], Tuner]:
    tuner = Tuner(
        "study", Tune(trials=3 * batches, batch=3, sampler=sampler), SPACE, "higher", DEFAULTS, tmp_path / "j"
    )
    asked = []
    for batch in range(batches):
        drawn = tuner.ask(batch, 3)
        tuner.tell([Verdict(quality(params)) for params in drawn])
        asked += drawn
    return asked, tuner


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp"])
def test_the_same_history_asks_the_same_trials_and_starts_from_the_defaults(tmp_path, sampler):
    first, tuner = play(tmp_path, sampler)
    second, _ = play(tmp_path, sampler)
    assert first == second and first[0] == DEFAULTS
    assert all(isinstance(params["k"], int) and 2 <= params["k"] <= 9 for params in first)
    assert all(params["hidden"] in SPACE["hidden"] for params in first)
    best, value = tuner.best()
    assert value == max(quality(params) for params in first) and quality(best) == value


def test_failed_trials_are_told_and_never_win(tmp_path):
    tuner = Tuner("study", Tune(trials=3, batch=3), SPACE, "lower", DEFAULTS, tmp_path / "j")
    tuner.ask(0, 3)
    tuner.tell([Verdict(None), Verdict(float("nan")), Verdict(3.0)])
    assert tuner.best()[1] == 3.0
    nothing = Tuner("study", Tune(trials=1, batch=1), SPACE, "lower", DEFAULTS, tmp_path / "k")
    nothing.ask(0, 1)
    nothing.tell([Verdict(None)])
    assert nothing.best() is None


def test_pruning_compares_with_earlier_batches_only(tmp_path):
    tuner = Tuner("study", Tune(trials=8, batch=4), SPACE, "higher", DEFAULTS, tmp_path / "j")
    tuner.ask(0, 4)
    assert not any(tuner.should_prune(trial, 8, value) for trial, value in enumerate([0.1, 0.2, 0.3, 0.9]))
    tuner.tell([Verdict(value, intermediate=[(8, value)]) for value in [0.1, 0.2, 0.3, 0.9]])
    tuner.ask(1, 4)
    assert [tuner.should_prune(trial, 8, value) for trial, value in enumerate([0.0, 0.2, 0.5, 0.95])] == [
        True, True, False, False,
    ]  # fmt: skip


def test_replayed_intermediate_values_prune_as_live_ones_did(tmp_path):
    def second_batch(live: bool) -> list[bool]:
        tuner = Tuner("study", Tune(trials=8, batch=4), SPACE, "higher", DEFAULTS, tmp_path / "j")
        tuner.ask(0, 4)
        values = [0.1, 0.2, 0.3, 0.9]
        if live:
            for trial, value in enumerate(values):
                tuner.should_prune(trial, 8, value)
        tuner.tell([Verdict(value, intermediate=[(8, value)]) for value in values])
        tuner.ask(1, 4)
        return [tuner.should_prune(trial, 8, value) for trial, value in enumerate([0.0, 0.2, 0.5, 0.95])]

    assert second_batch(live=True) == second_batch(live=False)


def test_choices_that_are_no_plain_values_survive_optuna():
    values = to_optuna(SPACE, DEFAULTS)
    assert values is not None and from_optuna(SPACE, values) == DEFAULTS
    assert to_optuna(SPACE, {**DEFAULTS, "k": 100}) is None
    assert to_optuna(SPACE, {"k": 5}) is None
    assert set(distributions(SPACE)) == set(SPACE)
