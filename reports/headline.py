"""The few metrics that are looked at first: what was tuned for, then one of each kind of question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.leaderboard import ATTACHED_ENCODER, Board

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


def how_coded(boards: Sequence[Board]) -> str:
    """Whose decoders and encoders were fitted to finished embeddings, as far as the tables need it said; else ''."""
    rows = [row for board in boards for row in board.rows]
    said = []
    attached = list(dict.fromkeys(row.method for row in rows if row.decoder == "attached"))
    if attached and any(row.decoder == "native" for row in rows):
        said.append(
            f"Scores of decoders: those of {', '.join(attached)} were attached, and are ranked among themselves."
        )
    if any(row.encoder == "attached" for row in rows):
        said.append(
            f"{ATTACHED_ENCODER} New points are encoded by a network that was fitted to the finished embedding."
        )
    return " ".join(said)


def has_values(board: Board, name: str) -> bool:
    """Whether some method has a value of a metric, be it ranked or not."""
    return name in board.metrics and any(row.entries[name].estimate is not None for row in board.rows)
