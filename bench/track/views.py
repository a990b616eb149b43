"""A view of MLflow's run table for each data set: reported models grouped by method, the headline columns and charts.

MLflow keeps a shared view as a tag of the experiment; what is in it is internal to MLflow's pages (made for 3.17), and
written here alone. Where another version does not know it, its pages open as if there were none.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from bench.track.runs import safe_key

TAG = "mlflow.sharedViewState."


def view_key(dataset: str) -> str:
    """Under which the view of a data set is kept, and found in the address."""
    return safe_key(f"bench-{dataset}")


def address(port: int, experiment: str, dataset: str | None) -> str:
    """Of the experiment's runs in the model-training pages, in the view of a data set where there is one."""
    view = "" if dataset is None else f"&viewStateShareKey={quote(view_key(dataset), safe='')}"
    return (
        f"http://127.0.0.1:{port}/#/experiments/{experiment}/runs?workflowType=machine_learning"
        f"&compareRunsMode=CHART{view}"
    )


def view_tags(headline: Mapping[str, Sequence[str]], methods: Sequence[str], made_ms: int) -> dict[str, str]:
    """The experiment's tags that hold a view of each data set.

    Args:
        headline: names of the metrics to show, by data set. made_ms: when the results were made.
    """
    return {
        f"{TAG}{view_key(dataset)}": json.dumps({
            "name": f"{dataset}: methods", "createdAt": made_ms, "updatedAt": made_ms,
            "state": _packed(_state(dataset, metrics, methods)),
        })
        for dataset, metrics in headline.items()
    }  # fmt: skip


def _state(dataset: str, metrics: Sequence[str], methods: Sequence[str]) -> dict[str, Any]:
    columns = ["tags.`method`", *(f"metrics.`{name}`" for name in metrics), "metrics.`cost/fit_seconds`"]
    return {
        "searchFilter": f"tags.kind = 'final' AND tags.dataset = '{dataset}'",
        "orderByKey": f"metrics.`{metrics[0]}`" if metrics else "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": [],
        "columnWidths": {},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "method"}]},
        "groupsExpanded": {f"tag.method.{method}": False for method in methods},
        "autoRefreshEnabled": False,
        "compareRunSections": [
            {"uuid": "headline", "name": "Headline metrics", "display": True, "isReordered": True}
        ],
        "compareRunCharts": [
            {
                "type": "BAR", "uuid": f"headline-{name}", "metricSectionId": "headline", "metricKey": name,
                "displayName": name, "deleted": False, "isGenerated": True,
            }
            for name in metrics
        ],
    }  # fmt: skip


def _packed(state: Mapping[str, Any]) -> str:
    text = json.dumps(state, sort_keys=True).encode()
    return f"deflate;{base64.b64encode(zlib.compress(text)).decode()}"
