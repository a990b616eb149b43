"""What a report cannot say, written by the program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.across import LEAST_FOR_INTERVALS
from reports.leaderboard import Board
from reports.statistics import LEAST_SEEDS


def known_limits(boards: Sequence[Board], runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Sentences; each is true of this report, and none is general advice."""
    rows = [row for board in boards for row in board.rows]
    seeds = max((row.n_seeds for row in rows), default=0)
    if 0 < seeds < LEAST_SEEDS:
        yield (
            f"{seeds} report seeds: intervals are over test points, ties are called by few seeds, and what other seeds "
            "would give is not known."
        )
    if 0 < len(boards) < LEAST_FOR_INTERVALS:
        yield f"{len(boards)} data sets: ranks over them say nothing of other data."
    if any(row.decoder == "attached" for row in rows):
        names = dict.fromkeys(row.method for row in rows if row.decoder == "attached")
        yield (
            f"The decoders of {', '.join(names)} were fitted to their finished embeddings: their scores say how well "
            "the layout can be decoded, and are ranked among themselves."
        )
    if any(row.split == "train" for row in rows):
        names = dict.fromkeys(row.method for row in rows if row.split == "train")
        yield f"{', '.join(names)} cannot encode new points and are scored on their training embedding."
    if any(row.encoder == "attached" for row in rows):
        names = dict.fromkeys(row.method for row in rows if row.encoder == "attached")
        yield (
            f"{', '.join(names)} cannot encode new points themselves; a network fitted to their finished embeddings "
            "does, and its errors are in their scores."
        )
    tuned = any(board.how for board in boards)
    left = dict.fromkeys(row.method for row in rows if not row.trials)
    if tuned and left:
        yield f"Not tuned, so run with the settings of the suite or their defaults: {', '.join(left)}."
    if any(row.stack_size > 1 for row in rows):
        yield "Models that trained as one stack share its seconds equally, also one that stopped before the others."
    if runs:
        commits = {run["git_sha"] for run in runs}
        if len(commits) > 1:
            yield f"The results were computed by {len(commits)} states of the code."
        if any(run["git_dirty"] for run in runs):
            yield "The code had uncommitted changes: the commit alone does not reproduce it."
        yield "Seconds are of one machine, whose cores may have been shared: they compare methods within this report."
