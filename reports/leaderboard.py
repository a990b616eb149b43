"""The leaderboard: per data set, every method's score on every metric, and which are best."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from reports.comparison import Candidate, best_of
from reports.frames import final_values, in_order, of_models
from reports.samples import PointsOf, Scores, by_metric, no_points, samples_of, standing
from reports.statistics import Estimate, Sample, estimate
from reports.tails import Tail, tail_of

# Beside the name of a method whose encoder was fitted to a finished embedding.
ATTACHED_ENCODER = "°"


@dataclass(frozen=True)
class Entry:
    """One cell of the leaderboard.

    Attributes:
        status: 'ok'; or why there is no value; or why the value takes part in no ranking. `reason` says more.
        best: it is the best of its ranking, or cannot be told from the best.
        tied: the methods that are best, as they cannot be told apart; empty where this one is not among them.
        tail: one point or one seed carries the mean, with the median that is not carried so.
        among: 'native' or 'attached' where decoders are ranked apart, else ''.
        sample: the values it is made of, where there are any.
    """

    estimate: Estimate | None
    status: str
    reason: str = ""
    tied: tuple[str, ...] = ()
    tail: Tail | None = None
    among: str = ""
    sample: Sample | None = field(default=None, repr=False, compare=False)

    @property
    def best(self) -> bool:
        return bool(self.tied)

    @property
    def ranked(self) -> bool:
        return self.estimate is not None and self.status == "ok"

    @property
    def mark(self) -> str:
        """'*' for the best, '=' for those that cannot be told from each other, else ''."""
        return "" if not self.best else "*" if len(self.tied) == 1 else "="


@dataclass(frozen=True)
class Row:
    """One method on one data set.

    Attributes:
        fit_seconds, decoder_seconds: mean over models, of their share of a stack of `stack_size`.
        trials: configurations that hyperparameters were chosen from. tune_seconds: of all of them together.
    """

    method: str
    decoder: str
    encoder: str
    split: str
    n_seeds: int
    fit_seconds: float | None
    decoder_seconds: float | None
    stack_size: int
    trials: int
    tune_seconds: float | None
    entries: dict[str, Entry]

    @property
    def name(self) -> str:
        """The method, marked where its encoder was fitted to a finished embedding."""
        return self.method + (ATTACHED_ENCODER if self.encoder == "attached" else "")

    @property
    def seconds(self) -> float | None:
        """Of fitting, an attached decoder included."""
        known = [seconds for seconds in (self.fit_seconds, self.decoder_seconds) if seconds is not None]
        return sum(known) if known else None


@dataclass(frozen=True)
class Board:
    """The leaderboard of one data set: methods in rows, metrics in columns.

    Attributes:
        tuned: metrics that hyperparameters were chosen by. how: how they were chosen, in a sentence; '' where they
            were not.
    """

    dataset: str
    metrics: tuple[str, ...]
    better: dict[str, str]
    rows: tuple[Row, ...]
    tuned: tuple[str, ...] = ()
    how: str = ""

    def entries(self) -> Iterator[tuple[Row, str, Entry]]:
        """Each score with its method's row and its metric."""
        return ((row, name, row.entries[name]) for row in self.rows for name in self.metrics)

    @property
    def n_points(self) -> int | None:
        """Test points that scores by point are of, None where there are none; those of pairs are the exception."""
        known = [entry.estimate.n_points for _, _, entry in self.entries() if entry.estimate is not None]
        counts = [count for count in known if count is not None]
        return max(set(counts), key=lambda count: (counts.count(count), count)) if counts else None

    def column(self, name: str) -> str:
        """The name of a metric with the arrow of its direction, and what it was tuned for."""
        arrow = "↓" if self.better[name] == "lower" else "↑"
        return f"{name} {arrow}" + (" (tuned)" if name in self.tuned else "")


def boards(
    frame: pd.DataFrame,
    decoder_metrics: Collection[str],
    methods: Sequence[str] = (),
    datasets: Sequence[str] = (),
    metrics: Sequence[str] = (),
    *,
    points_of: PointsOf = no_points,
    tuning: Mapping[str, Any] | None = None,
) -> list[Board]:
    """One board per data set, with headline metrics only.

    Args:
        decoder_metrics: metrics of the decoder. They are ranked among native and among attached decoders
            separately: an attached one says how well the layout can be decoded, not how the method decodes.
        methods, datasets, metrics: the order to list them in.
        points_of: gives the scores of a model by point, from its cell id.
        tuning: what hyperparameters were chosen by: objectives, limits, limited, trials, seeds.
    """
    groups = _groups(frame)
    found = []
    for dataset in in_order((of for phase, of, _ in groups if phase == "final"), datasets):
        of_method = {method: rows for (phase, of, method), rows in groups.items() if (phase, of) == ("final", dataset)}
        here = pd.concat([rows.drop_duplicates("metric")[["metric", "better"]] for rows in of_method.values()])
        names = [name for name in in_order(here["metric"], metrics) if name in metrics or not metrics]
        better = {name: str(here.loc[here["metric"] == name, "better"].iloc[0]) for name in names}
        rows = [
            _row(of_method[method], method, names, decoder_metrics, points_of, groups.get(("tune", dataset, method)))
            for method in in_order(of_method, methods)
        ]
        ranked = _with_best(rows, better)
        tuned = tuple(dict.fromkeys((*tuning["objectives"], *tuning["limited"]))) if tuning else ()
        found.append(Board(dataset, tuple(names), better, ranked, tuned, _how(tuning) if tuning else ""))
    return found


def _groups(frame: pd.DataFrame) -> dict[tuple[str, ...], pd.DataFrame]:
    """The rows by phase, data set and method."""
    groups = frame.groupby(["phase", "dataset", "method"], observed=True)
    return {tuple(map(str, key)): rows for key, rows in groups}


def _how(tuning: Mapping[str, Any]) -> str:
    """'Hyperparameters: best mcn of 16 trials on seed 100, on validation rows.'"""
    objectives = " and ".join(tuning["objectives"])
    limits = f" with {' and '.join(tuning['limits'])}" if tuning["limits"] else ""
    seeds = ", ".join(map(str, tuning["seeds"]))
    of = f"{tuning['trials']} trials on {'seed' if len(tuning['seeds']) == 1 else 'seeds'} {seeds}, on validation rows"
    if len(tuning["objectives"]) > 1:
        return (
            f"Hyperparameters: the front of {objectives}{limits} of {of}; a row is its method's compromise, nearest to "
            "the best of both."
        )
    return f"Hyperparameters: best {objectives}{limits} of {of}."


def _first(texts: pd.Series, assumed: str) -> str:
    """The first text there is; frames of other programs may have gaps."""
    known = texts.dropna()
    return str(known.iloc[0]) if len(known) else assumed


def _row(
    rows: pd.DataFrame,
    method: str,
    metrics: Sequence[str],
    decoder_metrics: Collection[str],
    points_of: PointsOf,
    trials: pd.DataFrame | None,
) -> Row:
    models = of_models(rows).drop_duplicates("cell_id")
    fitted = models[~models["status"].isin(["failed", "timeout", "oom", "crashed", "diverged"])]
    decoders = rows.loc[rows["decoder"].isin(["native", "attached"]), "decoder"]
    stacks = fitted["stack_size"].dropna()
    kind = _first(decoders, "none")
    scores = by_metric(rows)
    samples = samples_of(scores, metrics, points_of)
    return Row(
        method=method,
        decoder=kind,
        encoder=_first(rows["encoder"], "native"),
        split=_first(rows["split"], "test"),
        n_seeds=_n_seeds(rows),
        fit_seconds=_mean(fitted["fit_seconds"]),
        decoder_seconds=_mean(fitted["decoder_seconds"]),
        stack_size=int(stacks.max()) if len(stacks) else 1,
        trials=0 if trials is None else int(trials["config_id"].nunique()),
        tune_seconds=None if trials is None else _seconds_of(trials.drop_duplicates("cell_id")),
        entries={
            name: _entry(scores, name, samples.get(name), kind if name in decoder_metrics else "") for name in metrics
        },
    )


def _n_seeds(rows: pd.DataFrame) -> int:
    """Models that have a value; where all metrics are over seeds, the models that those are of."""
    if len(of_models(rows)):
        return int(of_models(final_values(rows))["cell_id"].nunique())
    known = rows["n_seeds"].dropna()
    return int(known.max()) if len(known) else 0


def _seconds_of(models: pd.DataFrame) -> float:
    """Of fitting and scoring them, all together."""
    return float(models[["fit_seconds", "decoder_seconds", "score_seconds"]].fillna(0).to_numpy(dtype=np.float64).sum())


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None


def _entry(scores: Scores, name: str, sample: Sample | None, among: str) -> Entry:
    status, reason = standing(scores, name)
    if sample is not None:
        return Entry(estimate(sample), status, reason, tail=tail_of(sample), among=among, sample=sample)
    return Entry(own_estimate(scores, name), status, reason, among=among)


def own_estimate(scores: Scores, name: str) -> Estimate | None:
    """A value over seeds, with the interval that its metric gave; None where there is no value."""
    ends = f"{name}_low", f"{name}_high"
    known = {key: scores[key].at(scores[key].has_value) for key in (name, *ends) if key in scores}
    values = {key: float(here.value[0]) for key, here in known.items() if len(here.value)}
    if name not in values:
        return None
    low, high = map(values.get, ends)
    return Estimate(values[name], low, high, int(known[name].n_seeds[0]), over="models and pairs")


def _with_best(rows: Sequence[Row], better: Mapping[str, str]) -> tuple[Row, ...]:
    rankings: dict[tuple[str, str], dict[str, Candidate]] = {}
    for row in rows:
        for name, entry in row.entries.items():
            if entry.ranked and entry.estimate is not None:
                rankings.setdefault((name, entry.among), {})[row.method] = Candidate(entry.estimate, entry.sample)
    best = {key: best_of(candidates, better[key[0]]) for key, candidates in rankings.items()}

    def marked(row: Row, name: str, entry: Entry) -> Entry:
        group = best.get((name, entry.among), frozenset())
        return replace(entry, tied=tuple(sorted(group))) if row.method in group else entry

    return tuple(
        replace(row, entries={name: marked(row, name, entry) for name, entry in row.entries.items()}) for row in rows
    )


def short(value: float) -> str:
    """Three significant digits, without an exponent where the number is of everyday size."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e5:
        return f"{value:.1e}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
