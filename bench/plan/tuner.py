"""One Optuna study by ask and tell, replayed from the ledger: the same history always asks the same trials."""

from __future__ import annotations

import contextlib
import hashlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.suite.search_space import distributions, from_optuna, to_optuna
from bench.suite.tables import Tune


@dataclass(frozen=True)
class Verdict:
    """What came of a trial: a value, or that it was pruned, or (neither) that it failed."""

    value: float | None
    pruned: bool = False
    intermediate: Sequence[tuple[int, float]] = ()


class Tuner:
    """A study of one method on one data set.

    Trials come in batches: all of a batch are told, in the order they were asked, before the next is asked.
    The sampler of each batch is seeded by (study, batch), and pruning compares with earlier batches only; so
    a resumed run that tells the same results asks the same trials.
    """

    def __init__(
        self,
        name: str,
        tune: Tune,
        space: Mapping[str, Any],
        better: str,
        defaults: Mapping[str, Any],
        journal: Path,
    ) -> None:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        journal.parent.mkdir(parents=True, exist_ok=True)
        for stale in (journal, journal.with_name(journal.name + ".lock")):
            stale.unlink(missing_ok=True)
        self.name, self.tune, self.space = name, tune, space
        self._domains = distributions(space)
        self._trials: list[Any] = []
        with _quiet():
            self._study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(journal))),
                study_name=name,
                direction="minimize" if better == "lower" else "maximize",
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
                elif verdict.value is None or not math.isfinite(verdict.value):
                    self._study.tell(trial, state=TrialState.FAIL)
                else:
                    self._study.tell(trial, verdict.value)

    def best(self) -> tuple[dict[str, Any], float] | None:
        """Parameter values and objective of the best complete trial; None where none completed."""
        from optuna.trial import TrialState

        if not self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            return None
        best = self._study.best_trial
        return from_optuna(self.space, best.params), float(best.value)


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
