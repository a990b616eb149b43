"""What trials are judged by: one objective or two, each with its direction, and limits on other scores."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

_LIMIT = re.compile(r"(>=|<=)\s*(\S+)")


@dataclass(frozen=True)
class Limit:
    """A bound on a score of a trial, e.g. explained_variance >= 0.9."""

    metric: str
    sign: str
    bound: float

    def excess(self, value: float) -> float:
        """By how much a value breaks the limit; at most 0 where it keeps it."""
        return self.bound - value if self.sign == ">=" else value - self.bound

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {self.bound:g}"


@dataclass(frozen=True)
class Goals:
    """What the trials of a suite are judged by.

    Attributes:
        objectives: one metric, or two that are traded for each other.
        better: 'lower' or 'higher', of each.
        limits: what a trial must keep to be chosen.
    """

    objectives: tuple[str, ...]
    better: tuple[str, ...]
    limits: tuple[Limit, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """All that a trial is scored on, the first objective first."""
        return tuple(dict.fromkeys((*self.objectives, *(limit.metric for limit in self.limits))))

    @property
    def can_prune(self) -> bool:
        """Whether a trial can be judged before its end: by one score alone."""
        return len(self.metrics) == 1

    def __str__(self) -> str:
        limits = ", ".join(map(str, self.limits))
        return " and ".join(self.objectives) + (f" subject to {limits}" if limits else "")


def limits(subject_to: Mapping[str, str]) -> tuple[Limit, ...]:
    """The limits that `[tune] subject_to` writes down.

    Raises:
        ValueError: one is no '>= NUMBER' or '<= NUMBER'.
    """
    return tuple(_limit(metric, text) for metric, text in subject_to.items())


def _limit(metric: str, text: str) -> Limit:
    found = _LIMIT.fullmatch(text.strip())
    try:
        bound = float(found[2]) if found else math.nan
    except ValueError:
        bound = math.nan
    if found is None or not math.isfinite(bound):
        raise ValueError(f"subject_to.{metric}: a limit such as '>= 0.9' or '<= 2' is needed, got {text!r}")
    return Limit(metric, found[1], bound)
