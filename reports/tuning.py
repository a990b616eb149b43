"""How tuning went: the best score so far after each trial, and which hyperparameters mattered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.palette import Style
from reports.panels import Margins, wrapped

Array = np.ndarray
Curves = dict[str, list[float]]
# By method, the share of each hyperparameter.
Shares = dict[str, dict[str, float]]

# Of fewer trials a forest learns nothing that holds.
LEAST_TRIALS = 10
_MOST_IN_A_ROW = 4
_MOST_MARKERS = 20
_OF_A_TRIAL = ["dataset", "method", "cell_id", "config_id", "params", "value", "better"]


@dataclass(frozen=True)
class Tuned:
    """The trials of one method on one data set, in the order asked.

    Attributes:
        params: by trial, as JSON. values: of the objective, means over the tuning seeds (n_trials,).
    """

    dataset: str
    method: str
    lower: bool
    params: Sequence[str]
    values: Array


def tuned(frame: pd.DataFrame, selections: Sequence[Mapping[str, Any]], objective: str) -> list[Tuned]:
    """The trials of each tuned data set and method that the objective was scored in."""
    rows = frame.loc[(frame["phase"] == "tune") & (frame["metric"] == objective), _OF_A_TRIAL]
    # As categories, the ids of all pairs would be looked through for each.
    rows = rows.astype({"cell_id": "string", "config_id": "string", "value": "float64"})
    of_pair = dict(iter(rows.groupby(["dataset", "method"], observed=True)))
    pairs = [(choice, of_pair.get((choice["dataset"], choice["method"]))) for choice in selections]
    found = [_tuned(choice, here) for choice, here in pairs if here is not None]
    return [trials for trials in found if len(trials.values)]


def _tuned(choice: Mapping[str, Any], rows: pd.DataFrame) -> Tuned:
    order = {cell: at for at, cell in enumerate(choice["trials"])}
    trials = (
        rows.assign(at=pd.Series([order.get(cell) for cell in rows["cell_id"]], rows.index, dtype="Int64"))
        .dropna(subset="at")
        .groupby("config_id")
        .agg(at=("at", "min"), value=("value", "mean"), params=("params", "first"))
        .sort_values("at")
    )
    lower = str(rows["better"].iloc[0]) == "lower"
    values = trials["value"].to_numpy(dtype=np.float64)
    return Tuned(str(choice["dataset"]), str(choice["method"]), lower, trials["params"].tolist(), values)


def best_so_far(trials: Iterable[Tuned]) -> dict[str, Curves]:
    """By data set and method, the best mean over tuning seeds after each trial, in the order they were asked."""
    found: dict[str, Curves] = {}
    for one in trials:
        best = (np.fmin if one.lower else np.fmax).accumulate(one.values)
        found.setdefault(one.dataset, {})[one.method] = best.tolist()
    return found


def importances(trials: Iterable[Tuned]) -> dict[str, Shares]:
    """By data set and method, the share of the objective's variance over the search space that each parameter explains.

    Only where at least two parameters were searched, in at least 10 trials with a score.

    Source: functional ANOVA, Hutter, Hoos and Leyton-Brown, ICML 2014, by Optuna.
    """
    found: dict[str, Shares] = {}
    for one in trials:
        known = np.isfinite(one.values)
        given = [json.loads(text) for text, scored in zip(one.params, known, strict=True) if scored]
        names = dict.fromkeys(name for params in given for name in params)
        searched = [name for name in names if any(params.get(name) != given[0].get(name) for params in given)]
        if known.sum() >= LEAST_TRIALS and len(searched) > 1:
            found.setdefault(one.dataset, {})[one.method] = _shares(pd.DataFrame(given)[searched], one.values[known])
    return found


def _shares(params: pd.DataFrame, values: np.ndarray) -> dict[str, float]:
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    domains = {str(name): _domain(params[name]) for name in params}
    study = optuna.create_study(storage=None)
    for (_, row), value in zip(params.iterrows(), values, strict=True):
        given = {name: row[name] if _is_number(params[name]) else json.dumps(row[name]) for name in domains}
        study.add_trial(optuna.create_trial(params=given, distributions=domains, value=float(value)))
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {name: float(share) for name, share in shares.items()}


def _domain(values: pd.Series[Any]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if not _is_number(values):
        return CategoricalDistribution(sorted(set(values.map(json.dumps))))
    low, high = float(values.min()), float(values.max())
    return FloatDistribution(low, high, log=low > 0 and high > 10 * low)


def _is_number(values: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values))


def tuning_figure(curves: Mapping[str, Curves], objective: str, style: Mapping[str, Style]) -> Figure:
    """One panel for each data set, a line for each method."""
    margins = Margins(left=0.45, bottom=0.45, first=0.7)
    figure, every, first = wrapped(len(curves), _MOST_IN_A_ROW, 2.5, 2.2, margins)
    for axes, (dataset, of_methods) in zip(every, curves.items(), strict=True):
        for method, values in of_methods.items():
            drawn = style[method]
            trials = range(1, len(values) + 1)
            axes.plot(
                trials, values, marker=drawn.marker, markersize=4, markevery=-(-len(values) // _MOST_MARKERS),
                color=drawn.colour, label=method,
            )  # fmt: skip
        axes.set_title(dataset, fontsize=9)
        axes.set_xlabel("trials", fontsize=8)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=7)
    for axes in first:
        axes.set_ylabel(f"best {objective} so far", fontsize=8)
    return figure


def importance_figure(found: Mapping[str, Shares], style: Mapping[str, Style]) -> Figure:
    """One panel for each data set, a bar for each hyperparameter of each method."""
    most = max(sum(map(len, of_methods.values())) for of_methods in found.values())
    margins = Margins(left=1.9, bottom=0.4, right=0.2)
    figure, every, _ = wrapped(len(found), _MOST_IN_A_ROW, 2.2, 0.2 * most + 0.2, margins)
    for axes, (dataset, of_methods) in zip(every, found.items(), strict=True):
        bars = [(method, name, share) for method, shares in of_methods.items() for name, share in shares.items()]
        axes.barh(range(len(bars)), [share for *_, share in bars], color=[style[method].colour for method, *_ in bars])
        axes.set_yticks(range(len(bars)), [f"{method} {name}" for method, name, _ in bars], fontsize=7)
        axes.set_ylim(most - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_title(dataset, fontsize=9)
        axes.set_xlabel("share of the variance", fontsize=8)
        axes.tick_params(axis="x", labelsize=7)
    return figure
