"""The few metrics that are looked at first: what was tuned for, then one of each kind of question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.leaderboard import Board

# Of each question the metrics that answer it, the one to show first.
NEIGHBOURHOODS = ("knn_preservation", "trustworthiness", "auc_log_rnx", "continuity")
ISOMETRY = ("relaxed_distortion", "mcn", "metric_variance", "mcn_attached", "var_log_det")
RECONSTRUCTION = ("explained_variance", "reconstruction_mse")
_DISTANCES = ("geodesic_stress", "distance_spearman", "stress")
_LABELS = ("knn_accuracy",)
_STABILITY = ("geodesic_cv", "geodesic_error")
QUESTIONS = (NEIGHBOURHOODS, ISOMETRY, RECONSTRUCTION, _DISTANCES, _LABELS, _STABILITY)
_AT_LEAST, _AT_MOST = 4, 6


def headline_metrics(boards: Sequence[Board]) -> tuple[str, ...]:
    """Four to six metrics, if the suite has so many that have a value."""
    known = list(dict.fromkeys(name for board in boards for name in board.metrics if has_values(board, name)))
    chosen = [name for name in dict.fromkeys(name for board in boards for name in board.tuned) if name in known]
    for question in QUESTIONS:
        if not set(question) & set(chosen):
            chosen += [name for name in question if name in known][:1]
    chosen = chosen[:_AT_MOST]
    others = [name for name in known if name not in chosen]
    return tuple(chosen + others[: max(0, _AT_LEAST - len(chosen))])


def columns(board: Board, headline: Sequence[str]) -> Iterator[str]:
    """Those of the headline metrics that one data set has."""
    return (name for name in headline if has_values(board, name))


def ranked_apart(boards: Sequence[Board]) -> str:
    """Whose scores of decoders are ranked among themselves, where decoders of both kinds are shown; else ''."""
    rows = [row for board in boards for row in board.rows]
    attached = list(dict.fromkeys(row.method for row in rows if row.decoder == "attached"))
    if not attached or not any(row.decoder == "native" for row in rows):
        return ""
    return f"Scores of decoders: those of {', '.join(attached)} were attached, and are ranked among themselves."


def has_values(board: Board, name: str) -> bool:
    """Whether some method has a value of a metric, be it ranked or not."""
    return name in board.metrics and any(row.entries[name].estimate is not None for row in board.rows)
