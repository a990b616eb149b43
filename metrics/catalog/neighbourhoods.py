"""Metrics of neighbourhoods: are those in the embedding the ones in the data?"""

from __future__ import annotations

from metrics import coranking
from metrics.metric import Metric, of_neighbourhoods


def _ranks(k: int) -> dict[str, int]:
    """Beyond half of the other points, the penalties' scale has no meaning."""
    return {"scored": 2 * k + 1}


knn_preservation = of_neighbourhoods(
    "knn_preservation", lambda view, k: view.neighbourhoods(k).scores.knn_preservation,
    lambda view, k: view.neighbourhoods(k).by_point[0], "spread", _ranks,
    about="Q_NX(k), share of nearest neighbours kept, [0, 1] (Lee and Verleysen 2009)",
)  # fmt: skip
trustworthiness = of_neighbourhoods(
    "trustworthiness", lambda view, k: view.neighbourhoods(k).scores.trustworthiness,
    lambda view, k: view.neighbourhoods(k).by_point[1], "spread", _ranks,
    about="are neighbours in the embedding true ones, [0, 1] (Venna and Kaski 2001)",
)  # fmt: skip
continuity = of_neighbourhoods(
    "continuity", lambda view, k: view.neighbourhoods(k).scores.continuity,
    lambda view, k: view.neighbourhoods(k).by_point[2], "spread", _ranks,
    about="do true neighbours stay near in the embedding, [0, 1] (Venna and Kaski 2001)",
)  # fmt: skip
auc_log_rnx = Metric(
    "auc_log_rnx", lambda view: coranking.auc_log_rnx(view.X, view.Z), "higher", frozenset({"spread"}),
    least_rows={"scored": 3},
    about="neighbourhoods kept beyond chance, over all sizes on a log axis, at most 1 (Lee et al. 2015)",
)  # fmt: skip
