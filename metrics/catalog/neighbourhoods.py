"""Metrics of neighbourhoods: are those in the embedding the ones in the data?"""

from __future__ import annotations

import numpy as np

from metrics.metric import Metric, of_neighbourhoods
from metrics.view import View

Array = np.ndarray


def _ranks(k: int) -> dict[str, int]:
    """Beyond half of the other points, the penalties' scale has no meaning."""
    return {"scored": 2 * k + 1}


def _local_continuity(view: View, k: int) -> Array:
    found = view.neighbourhoods(k)
    return found.counts(k).by_point[0] - k / (found.n - 1)


def _false_errors(view: View, k: int) -> Array:
    return view.neighbourhoods(k).relative_errors(k)[0]


def _missing_errors(view: View, k: int) -> Array:
    return view.neighbourhoods(k).relative_errors(k)[1]


knn_preservation = of_neighbourhoods(
    "knn_preservation", lambda view, k: view.neighbourhoods(k).counts(k).scores.knn_preservation,
    lambda view, k: view.neighbourhoods(k).counts(k).by_point[0], "spread", _ranks,
    about="Q_NX(k), share of nearest neighbours kept, [0, 1], chance k / (n - 1) (Lee and Verleysen 2009)",
)  # fmt: skip
trustworthiness = of_neighbourhoods(
    "trustworthiness", lambda view, k: view.neighbourhoods(k).counts(k).scores.trustworthiness,
    lambda view, k: view.neighbourhoods(k).counts(k).by_point[1], "spread", _ranks,
    about="are neighbours in the embedding true ones, [0, 1], chance about 0.5 (Venna and Kaski 2001)",
)  # fmt: skip
continuity = of_neighbourhoods(
    "continuity", lambda view, k: view.neighbourhoods(k).counts(k).scores.continuity,
    lambda view, k: view.neighbourhoods(k).counts(k).by_point[2], "spread", _ranks,
    about="do true neighbours stay near in the embedding, [0, 1], chance about 0.5 (Venna and Kaski 2001)",
)  # fmt: skip
lcmc = of_neighbourhoods(
    "lcmc", lambda view, k: float(_local_continuity(view, k).mean()), _local_continuity, "spread", _ranks,
    about="local continuity, Q_NX(k) - k / (n - 1): chance 0, at most 1 - k / (n - 1) (Chen and Buja 2009)",
)  # fmt: skip
mrre_false = of_neighbourhoods(
    "mrre_false", lambda view, k: float(_false_errors(view, k).mean()), _false_errors, "spread", _ranks, better="lower",
    about="mean relative rank error of neighbours in the embedding, [0, 1] (Lee and Verleysen 2007)",
)  # fmt: skip
mrre_missing = of_neighbourhoods(
    "mrre_missing", lambda view, k: float(_missing_errors(view, k).mean()), _missing_errors, "spread", _ranks,
    about="mean relative rank error of neighbours in the data, [0, 1] (Lee and Verleysen 2007)", better="lower",
)  # fmt: skip
auc_log_rnx = Metric(
    "auc_log_rnx", lambda view: view.coranking.auc_log_rnx, "higher", frozenset({"spread"}),
    least_rows={"scored": 3},
    about="neighbourhoods kept beyond chance, over all sizes on a log axis, at most 1, chance 0 (Lee et al. 2015)",
)  # fmt: skip
rank_correlation = Metric(
    "rank_correlation", lambda view: float(view.coranking.rank_correlations.mean()), "higher", frozenset({"spread"}),
    least_rows={"scored": 3}, by_point=lambda view: view.coranking.rank_correlations,
    about="rank correlation of all other points' nearness to each, in data and embedding, [-1, 1], chance 0",
)  # fmt: skip
