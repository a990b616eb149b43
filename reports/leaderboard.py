"""The leaderboard: per data set, every method's score on every metric, and which are best."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.frames import final_values, in_order, is_over_seeds, of_models
from reports.statistics import Estimate, estimate


@dataclass(frozen=True)
class Entry:
    """One cell of the leaderboard.

    Attributes:
        status: 'ok'; or why there is no value; or why the value takes part in no ranking.
        best: its mean lies in the interval of the best mean of its ranking.
    """

    estimate: Estimate | None
    status: str
    best: bool = False

    @property
    def ranked(self) -> bool:
        return self.estimate is not None and self.status == "ok"

    def text(self, *, interval: bool = True) -> str:
        """'0.123 [0.12, 0.13]', or why there is no value."""
        found = self.estimate
        if found is None:
            return self.status
        remark = "" if self.ranked else f" ({self.status})"
        if not interval or found.low is None or found.high is None:
            return short(found.mean) + remark
        return f"{short(found.mean)} [{short(found.low)}, {short(found.high)}]{remark}"


@dataclass(frozen=True)
class Row:
    """One method on one data set."""

    method: str
    decoder: str
    split: str
    n_seeds: int
    seconds: float | None
    entries: dict[str, Entry]


@dataclass(frozen=True)
class Board:
    """The leaderboard of one data set: methods in rows, metrics in columns."""

    dataset: str
    metrics: tuple[str, ...]
    better: dict[str, str]
    rows: tuple[Row, ...]


def boards(
    frame: pd.DataFrame,
    decoder_metrics: Collection[str],
    methods: Sequence[str] = (),
    datasets: Sequence[str] = (),
    metrics: Sequence[str] = (),
) -> list[Board]:
    """One board per data set, with headline metrics only.

    Args:
        decoder_metrics: metrics of the decoder. They are ranked among native and among attached decoders
            separately: an attached one says how well the layout can be decoded, not how the method decodes.
        methods, datasets, metrics: the order to list them in.
    """
    final = frame[frame["phase"] == "final"]
    found = []
    for dataset in in_order(final["dataset"], datasets):
        here = final[final["dataset"] == dataset]
        names = [name for name in in_order(here["metric"], metrics) if name in metrics or not metrics]
        rows = tuple(
            _row(here[here["method"] == method], method, names) for method in in_order(here["method"], methods)
        )
        better = {name: str(here.loc[here["metric"] == name, "better"].iloc[0]) for name in names}
        found.append(Board(dataset, tuple(names), better, _mark_best(rows, better, decoder_metrics)))
    return found


def _row(rows: pd.DataFrame, method: str, metrics: Sequence[str]) -> Row:
    good = final_values(rows)
    cells = rows[rows["status"].isin(["ok", "n/a"])].drop_duplicates("cell_id")
    cost = (cells["fit_seconds"] + cells["decoder_seconds"]).dropna()
    decoder = rows.loc[rows["decoder"] != "none", "decoder"]
    return Row(
        method=method,
        decoder=str(decoder.iloc[0]) if len(decoder) else "none",
        split=str(rows["split"].iloc[0]),
        n_seeds=int(of_models(good)["cell_id"].nunique()),
        seconds=float(cost.mean()) if len(cost) else None,
        entries={name: _entry(rows, name) for name in metrics},
    )


def _entry(rows: pd.DataFrame, name: str) -> Entry:
    here = rows[rows["metric"] == name]
    values = here["value"].dropna()
    if len(values) and is_over_seeds(here).all():
        return Entry(_with_own_interval(rows, name), "ok")
    if len(values):
        singular = rows.loc[rows["metric"] == f"{name}_rank_deficient", "value"].dropna()
        # Such a mean holds points with the largest number that precision can tell, in place of infinity.
        return Entry(estimate(values.to_list()), "rank-deficient" if (singular > 0).any() else "ok")
    statuses = here["status"].dropna().unique().tolist()
    return Entry(None, ", ".join(map(str, statuses)) if statuses else "–")


def _with_own_interval(rows: pd.DataFrame, name: str) -> Estimate:
    """A value over seeds, with the interval that its metric gave."""
    known = rows.dropna(subset="value").set_index("metric")
    low, high = (known["value"].get(f"{name}_{end}") for end in ("low", "high"))
    return Estimate(float(known["value"][name]), low, high, int(known["n_seeds"][name]))


def _mark_best(rows: Sequence[Row], better: dict[str, str], decoder_metrics: Collection[str]) -> tuple[Row, ...]:
    best: dict[tuple[str, str], Estimate] = {}
    for row in rows:
        for name, entry in row.entries.items():
            if entry.estimate is not None and entry.ranked:
                ranking = (name, row.decoder if name in decoder_metrics else "")
                leader = best.get(ranking)
                if leader is None or _beats(entry.estimate, leader, better[name]):
                    best[ranking] = entry.estimate
    marked = []
    for row in rows:
        entries = {}
        for name, entry in row.entries.items():
            leader = best.get((name, row.decoder if name in decoder_metrics else ""))
            ranked = entry.estimate if entry.ranked else None
            first = leader is not None and ranked is not None and leader.holds(ranked.mean)
            entries[name] = Entry(entry.estimate, entry.status, first)
        marked.append(Row(row.method, row.decoder, row.split, row.n_seeds, row.seconds, entries))
    return tuple(marked)


def _beats(candidate: Estimate, leader: Estimate, better: str) -> bool:
    return candidate.mean < leader.mean if better == "lower" else candidate.mean > leader.mean


def short(value: float) -> str:
    """Three significant digits, without an exponent where the number is of everyday size."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e5:
        return f"{value:.1e}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
