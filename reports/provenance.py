"""What made a report, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def commit(run: Mapping[str, Any]) -> str:
    """'`3c3ff91...` with uncommitted changes'."""
    sha = run["git_sha"] or "no repository"
    return f"`{sha}`" + (" with uncommitted changes" if run["git_dirty"] else "")


def time_spent(runs: Sequence[Mapping[str, Any]]) -> str:
    """Wall time of the last run that computed something, and the share of workers' time that was not a cell's own."""
    ends = [run["end"] for run in runs if "end" in run]
    if not ends:
        return ""
    end = ends[-1]
    wall, available = end["wall_seconds"], end["wall_seconds"] * end["n_workers"]
    outside = max(0.0, 1 - end["busy_seconds"] / available) if available else 0.0
    return (
        f"{wall / 60:.1f} min; {outside:.1%} of the workers' time went to other things than fitting, decoder fitting, "
        "scoring and library warm-up"
    )


def reached(choice: Mapping[str, Any]) -> str:
    """What a selected configuration scored on the tuning seeds."""
    return ", ".join(f"{name} {value:.4g}" for name, value in choice.get("scores", {}).items()) or "–"
