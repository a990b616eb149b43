"""What a report says, before it is markdown or HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from reports.across import Ranking
from reports.causes import Cause, causes, cell_statuses, n_failed
from reports.claims import Judged
from reports.frames import of_models
from reports.headline import headline_metrics
from reports.leaderboard import Board
from reports.tradeoff import Tradeoff
from reports.verdict import verdict


@dataclass(frozen=True)
class Picture:
    """A figure: its path relative to the report, and what is seen on it for those who cannot see it."""

    title: str
    alt: str
    path: str
    dataset: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures of one fitted model. `lost` says why the model is collapsed; '' where it is not."""

    dataset: str
    method: str
    seed: int
    pictures: Sequence[Picture]
    lost: str = ""


@dataclass(frozen=True)
class FrontPicture:
    """The trade-off of one data set, and its picture."""

    tradeoff: Tradeoff
    picture: Picture


@dataclass(frozen=True)
class Card:
    """A method in a few lines: what it is, where it comes from, and what it was run with on each data set."""

    method: str
    summary: str
    source: str
    parameters: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Content:
    """Everything that reports show.

    Attributes:
        boards: the leaderboard of each data set. ranks: over data sets. fronts: where two objectives were traded.
        claims: what was claimed, and what became of it.
        embeddings, seeds, distances: a picture of each data set: codes of all methods; every seed as a point; and
            what became of distances and ranks.
        pictures: others. galleries: of each method on each data set.
        kernels: timings, where there are any, with their picture.
        runs, selections: entries of the ledger; none for a foreign frame.
    """

    frame: pd.DataFrame
    boards: Sequence[Board] = ()
    ranks: Sequence[Ranking] = ()
    claims: Sequence[Judged] = ()
    fronts: Sequence[FrontPicture] = ()
    embeddings: Sequence[Picture] = ()
    seeds: Sequence[Picture] = ()
    distances: Sequence[Picture] = ()
    pictures: Sequence[Picture] = ()
    galleries: Sequence[Gallery] = ()
    cards: Sequence[Card] = ()
    kernels: tuple[pd.DataFrame, Picture] | None = None
    runs: Sequence[Mapping[str, Any]] = ()
    selections: Sequence[Mapping[str, Any]] = ()

    @property
    def name(self) -> str:
        if self.runs:
            return str(self.runs[-1]["suite"])
        return str(self.frame["suite"].iloc[0]) if len(self.frame) else "empty"

    @cached_property
    def headline(self) -> tuple[str, ...]:
        return headline_metrics(self.boards)

    @cached_property
    def failures(self) -> list[Cause]:
        return causes(self.frame)

    @cached_property
    def verdict(self) -> list[str]:
        return verdict(self.boards, self.headline, self.failures)

    @cached_property
    def summary(self) -> str:
        """What was compared, in a sentence."""
        if self.frame.empty:
            return "The ledger holds no results."
        cells = cell_statuses(of_models(self.frame))
        final = cells[cells["phase"] == "final"]
        counts = [
            _counted(final["method"].nunique(), "method"),
            _counted(final["dataset"].nunique(), "data set"),
            _counted(final["seed"].nunique(), "report seed"),
        ]
        tuning = len(cells) - len(final)
        failed = n_failed(self.failures)
        return (
            f"{' × '.join(counts)}: {_counted(len(final), 'reported model')}"
            + (f", {_counted(tuning, 'model')} for tuning" if tuning else "")
            + (f", {failed} failed." if failed else ", none failed.")
        )


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")
