"""Two result folders, or frames, against each other: `bench compare A B`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BadInputError, nearest
from bench.record.ledger import read
from bench.report import frame_of_ledger, points_of, read_foreign, reported_configurations

if TYPE_CHECKING:
    from reports.versus import Comparison, Results

FINE, REGRESSION, NOTHING = 0, 1, 3


def compare(before: Path, after: Path, metrics: Sequence[str], worse_by: float) -> tuple[list[Comparison], int]:
    """Every comparison, and the exit code: 0 fine, 1 something is worse, 3 nothing can be compared.

    Args:
        before, after: result folders, or frames (parquet). Nothing else is read.
        metrics: those to compare; all that were asked for where it is empty.
        worse_by: share of the value before by which it must be worse for that to count.

    Raises:
        BadInputError: one of them cannot be read, or has none of the metrics.
    """
    from reports.comparison import EQUIVALENCE
    from reports.versus import versus

    (first, first_asked), (second, second_asked) = _results(before), _results(after)
    known = [str(name) for name in dict.fromkeys([*first.frame["metric"], *second.frame["metric"]])]
    for name in metrics:
        if name not in known:
            raise BadInputError(f"--metric {name!r} is in neither {before} nor {after}; {nearest(name, known)}")
    asked = {*first_asked, *second_asked} if first_asked and second_asked else set()
    found = versus(first, second, metrics or asked, EQUIVALENCE)
    return found, _code(found, worse_by)


def as_rows(found: Collection[Comparison]) -> list[dict[str, Any]]:
    """One row for each comparison, as JSON has it."""
    return [asdict(comparison) for comparison in found]


def _code(found: Collection[Comparison], worse_by: float) -> int:
    if all(comparison.verdict == "not comparable" for comparison in found):
        return NOTHING
    return REGRESSION if any(_counts(comparison, worse_by) for comparison in found) else FINE


def _counts(comparison: Comparison, worse_by: float) -> bool:
    """Whether it is a regression; one that cannot be put in numbers, such as a collapse, always is."""
    if comparison.verdict != "worse":
        return False
    if comparison.difference is None or not comparison.before:
        return True
    return abs(comparison.difference) > worse_by * abs(comparison.before)


def _results(place: Path) -> tuple[Results, Sequence[str]]:
    """What a folder or a frame holds, and the metrics that were asked for (none are known of a frame)."""
    from reports.frames import as_reported
    from reports.samples import no_points
    from reports.versus import Results

    if place.suffix == ".parquet":
        return Results(as_reported(read_foreign(place), {}), no_points, {}, {}), ()
    ledger = read(place)
    run = ledger.runs[-1] if ledger.runs else {}

    frame = as_reported(frame_of_ledger(ledger), reported_configurations(ledger.selections.values()))
    results = Results(frame, points_of(place), run.get("data", {}), _versions(run))
    return results, run.get("metrics", ())


def _versions(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """What each metric was scored by; earlier ledgers have the versions alone."""
    scored_by = {entry["name"]: entry["version"] for entry in run.get("scored_by", ())}
    return scored_by or run.get("metric_versions", {})


def printed(found: Sequence[Comparison]) -> list[str]:
    """Lines of text: what is worse first, then better, then the others with their counts."""
    if not found:
        return ["nothing to compare: neither has a reported score"]
    lines = []
    for verdict in ("worse", "better", "not separable", "equal", "not comparable"):
        these = [comparison for comparison in found if comparison.verdict == verdict]
        if these:
            lines += [f"{verdict}: {len(these)}", *(f"  {_line(comparison)}" for comparison in these)]
    return lines


def _line(found: Comparison) -> str:
    from reports.leaderboard import short

    where = f"{found.dataset} {found.method} {found.metric}"
    if found.before is None or found.after is None or found.difference is None:
        return f"{where}: {found.reason}"
    text = f"{where}: {short(found.before)} -> {short(found.after)}"
    if found.before and math.isfinite(found.difference / found.before):
        text += f" ({found.difference / abs(found.before):+.1%})"
    if found.low is not None and found.high is not None:
        text += f", difference in [{short(found.low)}, {short(found.high)}]"
    return text
