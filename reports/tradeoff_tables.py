"""A trade-off in tables: what each front is worth, and the methods where they keep as much of the data."""

from __future__ import annotations

from reports.leaderboard import short
from reports.statistics import LEAST_SEEDS, Estimate
from reports.tradeoff import Matching, Tradeoff

LEGEND = (
    "Every configuration that no trial bettered in both objectives on the tuning seeds, fitted on the report seeds and "
    "scored on the test split. Points: configurations and seeds; line: the best of the second objective within each "
    "level of the first, median over seeds; band: from the best seed to the worst. Hypervolume: the share of the box "
    "between the best of all methods and a reference a tenth beyond their worst that the front dominates (of "
    "logarithms where an axis is logarithmic); 95 % interval over seeds from five seeds on, of fewer their range. It "
    "compares the methods of one box, not of two reports. Collapsed configurations, and scores by construction, are "
    "left out."
)


def front_table(tradeoff: Tradeoff) -> list[list[str]]:
    """Header first: method, how many configurations, hypervolume, and why some do not count."""
    lines = [["method", "configurations", "hypervolume ↑", "left out"], ["---"] * 4]
    for method, points in tradeoff.fronts.items():
        counted = sum(point.ranked for point in points)
        found = tradeoff.hypervolume(method)
        reasons = dict.fromkeys(point.reason for point in points if not point.ranked)
        left_out = f"{len(points) - counted}: {'; '.join(reasons)}" if reasons else "–"
        lines.append([method, str(counted), "–" if found is None else _text(found), left_out])
    return lines


def matched_table(found: Matching) -> tuple[str, list[list[str]]]:
    """What is compared, in a sentence, and the table, header first."""
    kept, other = found.kept, found.other
    best = "lowest" if other.better == "lower" else "highest"
    within = "at most" if kept.better == "lower" else "at least"
    said = (
        f"At matched reconstruction: of each method the configuration with the {best} {other.name} among those with a "
        f"{kept.name} of {within} {short(found.level)} on the tuning seeds, which every method reaches; here on report "
        "seeds and test points. **Bold**: the best, and what cannot be told from it (`=`)."
    )
    names = dict.fromkeys([kept.name, "explained_variance", other.name])
    shown = [name for name in names if any(name in match.scores for match in found.methods)]
    lines = [["method", *shown], ["---"] * (len(shown) + 1)]
    for match in found.methods:
        cells = {name: _text(match.scores[name]) if name in match.scores else "–" for name in shown}
        if match.tied:
            cells[other.name] = f"**{cells[other.name]}{' =' if len(match.tied) > 1 else ''}**"
        lines.append([match.method, *cells.values()])
    return said, lines


def _text(found: Estimate) -> str:
    """'0.12 [0.1, 0.14]', or of few seeds without test points '0.12, 3 seeds 0.1 to 0.13'."""
    if found.low is not None and found.high is not None:
        return f"{short(found.mean)} [{short(found.low)}, {short(found.high)}]"
    if 1 < found.n < LEAST_SEEDS and found.smallest is not None and found.largest is not None:
        return f"{short(found.mean)}, {found.n} seeds {short(found.smallest)} to {short(found.largest)}"
    return short(found.mean)
