from __future__ import annotations

import pytest

from bench.plan.tuner import Tuner, Verdict
from bench.suite.goals import Goals, Limit
from bench.suite.search_space import distributions, from_optuna, to_optuna
from bench.suite.tables import Tune

SPACE = {
    "rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "k": {"low": 2, "high": 9},
    "kind": ["a", "b"],
    "hidden": [[8], [8, 8]],
}
GOALS = Goals(("quality",), ("higher",))
DEFAULTS = {"rate": 1e-3, "k": 5, "kind": "a", "hidden": [8, 8]}


def told(value: float, intermediate=()) -> Verdict:
    return Verdict({"quality": value}, intermediate=intermediate)


def quality(params) -> float:
    return -abs(params["k"] - 7) + len(params["hidden"])


def play(sampler: str, batches: int = 4) -> tuple[list[dict], Tuner]:
    tuner = Tuner("study", Tune(trials=3 * batches, batch=3, sampler=sampler), GOALS, SPACE, DEFAULTS)
    asked = []
    for batch in range(batches):
        drawn = tuner.ask(batch, 3)
        tuner.tell([told(quality(params)) for params in drawn])
        asked += drawn
    return asked, tuner


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp"])
def test_the_same_history_asks_the_same_trials_and_starts_from_the_defaults(sampler):
    first, tuner = play(sampler)
    second, _ = play(sampler)
    assert first == second and first[0] == DEFAULTS
    assert all(isinstance(params["k"], int) and 2 <= params["k"] <= 9 for params in first)
    assert all(params["hidden"] in SPACE["hidden"] for params in first)
    (best,) = tuner.best()
    assert best.scores["quality"] == max(quality(params) for params in first) == quality(best.params)


def test_failed_trials_are_told_and_never_win():
    tuner = Tuner("study", Tune(trials=3, batch=3), Goals(("quality",), ("lower",)), SPACE, DEFAULTS)
    tuner.ask(0, 3)
    tuner.tell([Verdict(None), told(float("nan")), told(3.0)])
    assert [best.scores for best in tuner.best()] == [{"quality": 3.0}]
    nothing = Tuner("study", Tune(trials=1, batch=1), Goals(("quality",), ("lower",)), SPACE, DEFAULTS)
    nothing.ask(0, 1)
    nothing.tell([Verdict(None)])
    assert nothing.best() == []


def test_pruning_compares_with_earlier_batches_only():
    tuner = Tuner("study", Tune(trials=8, batch=4), GOALS, SPACE, DEFAULTS)
    tuner.ask(0, 4)
    assert not any(tuner.should_prune(trial, 8, value) for trial, value in enumerate([0.1, 0.2, 0.3, 0.9]))
    tuner.tell([told(value, intermediate=[(8, value)]) for value in [0.1, 0.2, 0.3, 0.9]])
    tuner.ask(1, 4)
    assert [tuner.should_prune(trial, 8, value) for trial, value in enumerate([0.0, 0.2, 0.5, 0.95])] == [
        True, True, False, False,
    ]  # fmt: skip


def test_replayed_intermediate_values_prune_as_live_ones_did():
    def second_batch(live: bool) -> list[bool]:
        tuner = Tuner("study", Tune(trials=8, batch=4), GOALS, SPACE, DEFAULTS)
        tuner.ask(0, 4)
        values = [0.1, 0.2, 0.3, 0.9]
        if live:
            for trial, value in enumerate(values):
                tuner.should_prune(trial, 8, value)
        tuner.tell([told(value, intermediate=[(8, value)]) for value in values])
        tuner.ask(1, 4)
        return [tuner.should_prune(trial, 8, value) for trial, value in enumerate([0.0, 0.2, 0.5, 0.95])]

    assert second_batch(live=True) == second_batch(live=False)


def test_choices_that_are_no_plain_values_survive_optuna():
    values = to_optuna(SPACE, DEFAULTS)
    assert values is not None and from_optuna(SPACE, values) == DEFAULTS
    assert to_optuna(SPACE, {**DEFAULTS, "k": 100}) is None
    assert to_optuna(SPACE, {"k": 5}) is None
    assert set(distributions(SPACE)) == set(SPACE)


def study(goals: Goals, sampler: str = "tpe", trials: int = 12) -> tuple[list[dict], Tuner]:
    """A study of two scores that pull apart in k: `error` is best at 2, `bend` at 9."""
    tuner = Tuner("study", Tune(trials=trials, batch=4, sampler=sampler), goals, SPACE, DEFAULTS)
    asked = []
    for batch in range(trials // 4):
        drawn = tuner.ask(batch, 4)
        tuner.tell([Verdict({"error": float(p["k"]), "bend": float(9 - p["k"])}) for p in drawn])
        asked += drawn
    return asked, tuner


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp"])
def test_of_two_objectives_the_whole_front_is_chosen_and_asked_again_the_same(sampler):
    goals = Goals(("error", "bend"), ("lower", "lower"))
    asked, tuner = study(goals, sampler)
    again, _ = study(goals, sampler)
    assert asked == again
    # Each value of k is on the front: none is better in both.
    assert {best.params["k"] for best in tuner.best()} == {params["k"] for params in asked}


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp"])
def test_a_limit_keeps_the_best_out_that_breaks_it(sampler):
    goals = Goals(("bend",), ("lower",), (Limit("error", "<=", 5.0),))
    asked, tuner = study(goals, sampler)
    (best,) = tuner.best()
    assert best.params["k"] == max(params["k"] for params in asked if params["k"] <= 5)


def test_where_no_trial_keeps_the_limit_the_nearest_is_chosen():
    goals = Goals(("bend",), ("lower",), (Limit("error", "<=", 1.0),))
    asked, tuner = study(goals)
    (best,) = tuner.best()
    assert best.params["k"] == min(params["k"] for params in asked)


def test_a_study_is_saved_in_a_form_that_optuna_reads(tmp_path):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    tuner = Tuner("study", Tune(trials=2, batch=2), Goals(("quality",), ("lower",)), SPACE, DEFAULTS)
    tuner.ask(0, 2)
    tuner.tell([Verdict({"quality": 2.0}), Verdict({"quality": 1.0})])
    for _ in range(2):
        tuner.save(tmp_path / "studies" / "j")
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "studies" / "j")))
        assert [trial.value for trial in optuna.load_study(study_name="study", storage=storage).trials] == [2.0, 1.0]
