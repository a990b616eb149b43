"""One Optuna study by ask and tell, replayed from the ledger: the same history always asks the same trials."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.suite.goals import Goals
from bench.suite.search_space import distributions, from_optuna, to_optuna
from bench.suite.tables import Tune


@dataclass(frozen=True)
class Verdict:
    """What came of a trial: its scores by name, or that it was pruned, or (neither) that it failed."""

    scores: Mapping[str, float] | None
    pruned: bool = False
    intermediate: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True)
class Chosen:
    """Parameter values that a study chose, and their scores on the tuning seeds."""

    params: dict[str, Any]
    scores: dict[str, float]


class Tuner:
    """A study of one method on one data set, of one objective or of two.

    Trials come in batches: all of a batch are told, in the order they were asked, before the next is asked.
    The sampler of each batch is seeded by (study, batch), and pruning compares with earlier batches only; so
    a resumed run that tells the same results asks the same trials.
    """

    def __init__(
        self,
        name: str,
        tune: Tune,
        goals: Goals,
        space: Mapping[str, Any],
        defaults: Mapping[str, Any],
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.name, self.tune, self.goals, self.space = name, tune, goals, space
        self._domains = distributions(space)
        self._trials: list[Any] = []
        with _quiet():
            self._study = optuna.create_study(
                storage=optuna.storages.InMemoryStorage(),
                study_name=name,
                directions=["minimize" if better == "lower" else "maximize" for better in goals.better],
                pruner=_pruner(tune),
            )
            start = to_optuna(space, defaults)
            if start is not None:
                self._study.enqueue_trial(start)

    def ask(self, batch: int, count: int) -> list[dict[str, Any]]:
        """The parameter values of the next batch of trials; the very first trial is the method's defaults."""
        seed = int.from_bytes(hashlib.sha256(f"{self.name}/{batch}".encode()).digest()[:4], "big")
        with _quiet():
            self._study.sampler = _sampler(self.tune.sampler, seed)
            self._trials = [self._study.ask(self._domains) for _ in range(count)]
        return [from_optuna(self.space, trial.params) for trial in self._trials]

    def should_prune(self, trial: int, epoch: int, value: float) -> bool:
        """Report an intermediate value of a trial of this batch; whether it is below the earlier trials' median."""
        with _quiet():
            self._trials[trial].report(value, epoch)
            return bool(self._trials[trial].should_prune())

    def tell(self, verdicts: Sequence[Verdict]) -> None:
        """Tell the whole batch, in the order asked."""
        from optuna.trial import TrialState

        for trial, verdict in zip(self._trials, verdicts, strict=True):
            known = self._study.get_trials(deepcopy=False)[trial.number].intermediate_values
            with _quiet():
                for epoch, value in verdict.intermediate:
                    if epoch not in known:
                        trial.report(value, epoch)
                if verdict.pruned:
                    self._study.tell(trial, state=TrialState.PRUNED)
                elif verdict.scores is None or not all(map(math.isfinite, verdict.scores.values())):
                    self._study.tell(trial, state=TrialState.FAIL)
                else:
                    self._tell_scores(trial, verdict.scores)

    def _tell_scores(self, trial: Any, scores: Mapping[str, float]) -> None:
        for limit in self.goals.limits:
            trial.set_constraint(str(limit), limit.excess(scores[limit.metric]))
        trial.set_user_attr("scores", dict(scores))
        self._study.tell(trial, [scores[name] for name in self.goals.objectives])

    def save(self, journal: Path) -> None:
        """Write the study, as it is, to a file that Optuna's own programs read."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        journal.parent.mkdir(parents=True, exist_ok=True)
        for stale in (journal, journal.with_name(journal.name + ".lock")):
            stale.unlink(missing_ok=True)
        with _quiet():
            optuna.copy_study(
                from_study_name=self.name, from_storage=self._study._storage,
                to_storage=JournalStorage(JournalFileBackend(str(journal))), to_study_name=self.name,
            )  # fmt: skip

    def best(self) -> list[Chosen]:
        """The best trial, or of two objectives all that no other trial betters in both, in the order asked.

        Where no trial keeps all limits, the one that breaks them least; none where no trial has scores.
        """
        from optuna.trial import TrialState

        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not complete:
            return []
        with_limits_kept = [trial for trial in complete if _excess(trial) <= 0]
        if not with_limits_kept:
            best = [min(complete, key=_excess)]
        elif len(self.goals.objectives) == 1:
            best = [self._study.best_trial]
        else:
            best = sorted(self._study.best_trials, key=lambda trial: trial.number)
        found = {json.dumps(trial.params, sort_keys=True): trial for trial in reversed(best)}
        return [
            Chosen(from_optuna(self.space, trial.params), trial.user_attrs["scores"])
            for trial in reversed(found.values())
        ]


def _excess(trial: Any) -> float:
    """By how much a trial breaks its limits, all together; 0 where it keeps them."""
    return sum(max(0.0, excess) for excess in trial.constraints.values())


def _sampler(name: str, seed: int) -> Any:
    from optuna import samplers

    made = {
        "tpe": lambda: samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True),
        "random": lambda: samplers.RandomSampler(seed=seed),
        "qmc": lambda: samplers.QMCSampler(seed=0, scramble=True),
        "gp": lambda: samplers.GPSampler(seed=seed, deterministic_objective=True),
    }
    return made[name]()


def _pruner(tune: Tune) -> Any:
    from optuna import pruners

    if tune.pruner == "off":
        return pruners.NopPruner()
    return pruners.MedianPruner(n_startup_trials=max(4, tune.batch), n_warmup_steps=4)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's notices that a sampler or a feature is experimental."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
