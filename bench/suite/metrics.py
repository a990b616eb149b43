"""What a suite scores: metrics by name or file, and what those who only read the results must know of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.errors import BadInputError, nearest
from bench.suite import registry
from metrics.view import NEEDS

# Metrics that are asked for together, by what they are about.
PANELS: Mapping[str, tuple[str, ...]] = {
    "neighbourhood": (
        "auc_log_rnx", "knn_preservation", "trustworthiness", "continuity", "trustworthiness_k50", "continuity_k50",
        "lcmc", "mrre_false", "mrre_missing", "rank_correlation",
    ),
    "distance": (
        "stress", "non_metric_stress", "distance_pearson", "distance_spearman", "geodesic_stress", "density_kl",
        "procrustes",
    ),
    "geometry": (
        "relaxed_distortion", "mcn", "metric_variance", "var_log_det", "local_mcn", "consistency", "mcn_attached",
    ),
    "labels": (
        "knn_accuracy", "linear_probe", "neighbourhood_hit", "silhouette", "label_trustworthiness", "label_continuity",
    ),
}  # fmt: skip
ALL = "all"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class MetricChoice:
    """A metric of a suite.

    Attributes:
        name: what tables call it. target: what it is loaded by, a registered name or 'file.py:metric'.
        version: what it must have been scored by to be compared; of a file it changes with the file's text.
        scope, better, needs, variants: as the metric itself says (`metrics.metric.Metric`).
    """

    name: str
    target: str
    version: int | str
    scope: str
    better: str
    needs: tuple[str, ...]
    variants: tuple[tuple[str, str], ...] = ()

    def load(self, root: Path) -> Any:
        """The metric itself; `root` is what a file is relative to."""
        return registry.load("metric", self.target, root)

    @property
    def of_decoder(self) -> bool:
        """Whether it is about a method's differentiable decoder."""
        return "decoder" in self.needs

    @property
    def needs_decoding(self) -> bool:
        """Whether its scores depend on the decoder, and so on whether that was attached."""
        return bool({"decoder", "reconstruction"} & set(self.needs))

    def better_of(self, name: str) -> str:
        """Which way is better of this metric or of a variant of it."""
        return dict(self.variants).get(name.removeprefix(self.name), self.better)


def metric_choice(target: str, root: Path) -> MetricChoice:
    """A metric by its registered name, or by the 'file.py:metric' that holds it.

    Raises:
        BadInputError: there is none, or it is not made as a metric is.
    """
    metric = registry.load("metric", target, root)
    from_file = registry.is_file(target)
    _check(metric, target, from_file)
    version: int | str = getattr(metric, "version", 1)
    return MetricChoice(
        name=metric.name if from_file else target,
        target=target,
        version=f"{version} of file {registry.hash_of_file(target, root)}" if from_file else version,
        scope=metric.scope,
        better=metric.better,
        needs=tuple(sorted(metric.needs)),
        variants=tuple(sorted(dict(getattr(metric, "variants", {})).items())),
    )


def spelled_out(targets: Iterable[str]) -> list[str]:
    """The metrics that a list of metrics and panels names; 'all' stands for every registered one."""
    everything = dict.fromkeys((*(name for panel in PANELS.values() for name in panel), *registry.names("metric")))
    panels = {**PANELS, ALL: tuple(everything)}
    return [name for target in targets for name in panels.get(target, (target,))]


def _check(metric: Any, target: str, from_file: bool) -> None:
    if not callable(getattr(metric, "compute", None)) or isinstance(metric, type):
        raise BadInputError(f'{target} is no metric; make one of a function: Metric("my_score", my_score, "lower")')
    if metric.better not in ("lower", "higher"):
        raise BadInputError(f"{target}: better is 'lower' or 'higher', got {metric.better!r}")
    unknown = sorted(set(metric.needs) - set(NEEDS))
    if unknown:
        raise BadInputError(f"{target!r} needs {unknown[0]!r}, which no view has; {nearest(unknown[0], NEEDS)}")
    if from_file and not (isinstance(metric.name, str) and _NAME.fullmatch(metric.name)):
        raise BadInputError(f"{target}: its name is made of letters, digits and '_', got {metric.name!r}")
    if from_file and metric.name in registry.names("metric"):
        raise BadInputError(f"{target}: {metric.name!r} is the name of a registered metric; give yours another")


def distinct(choices: Iterable[MetricChoice]) -> tuple[MetricChoice, ...]:
    """Each metric once, in the order given.

    Raises:
        BadInputError: two are different and have one name.
    """
    found: dict[str, MetricChoice] = {}
    for choice in choices:
        if found.setdefault(choice.name, choice) != choice:
            raise BadInputError(
                f"{choice.target}: {found[choice.name].target} is called {choice.name!r} too; give one another name"
            )
    return tuple(found.values())


def of_scope(choices: Iterable[MetricChoice], scope: str) -> tuple[MetricChoice, ...]:
    """Those that are of one model ('cell') or of all models of a configuration ('seeds')."""
    return tuple(choice for choice in choices if choice.scope == scope)


def to_json(choices: Iterable[MetricChoice]) -> list[dict[str, Any]]:
    """As a ledger and a job keep them."""
    return [asdict(choice) for choice in choices]


def from_json(entries: Iterable[Mapping[str, Any]]) -> tuple[MetricChoice, ...]:
    """The metrics that `to_json` wrote."""
    return tuple(map(_of_json, entries))


def _of_json(entry: Mapping[str, Any]) -> MetricChoice:
    variants = tuple((name, way) for name, way in entry.get("variants", ()))
    return MetricChoice(**{**entry, "needs": tuple(entry["needs"]), "variants": variants})


class KnownMetrics:
    """Metrics by name: as a run wrote them down, so that results are read without the files and packages of then."""

    def __init__(self, written: Iterable[MetricChoice] = ()) -> None:
        self._written = {choice.name: choice for choice in written}

    def get(self, name: str) -> MetricChoice | None:
        """What was written down, else what is registered; None of a metric that nobody knows."""
        if name not in self._written:
            try:
                self._written[name] = metric_choice(name, Path.cwd())
            except BadInputError:
                return None
        return self._written[name]

    def named(self, names: Sequence[str]) -> list[MetricChoice]:
        """Those of these names that anybody knows."""
        return [choice for name in names if (choice := self.get(name)) is not None]

    def family(self, name: str) -> MetricChoice | None:
        """The metric that a score's name belongs to: mcn for mcn_median."""
        while name:
            if (choice := self.get(name)) is not None:
                return choice
            name = name.rpartition("_")[0]
        return None
