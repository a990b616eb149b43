"""The kernels of `bench kernels` that matter most: one decoder, two latent dimensions, all precisions."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from bench.gpu.parts import Report
from bench.kernels import session
from bench.kernels.cases import Case, cases
from bench.kernels.forms import COMPILED, OURS

DECODER, LATENT = "mlp-256x4", 2


def run(
    device: str, report: Report, *, kernels: Sequence[str], batches: Sequence[int], seconds: float, compile_until: float
) -> None:
    """One row for each kernel and batch, then compiled forms as time allows.

    Args:
        seconds: to spend on each case.
        compile_until: seconds of this part after which no further form is compiled; each may take half a minute.

    Raises:
        RuntimeError: forms failed or gave wrong values.
    """
    began = time.monotonic()
    # The engine is a plugin of pytest, which nothing here imports: without it pytest would only say that an option
    # is unknown.
    importlib.import_module("pytest_benchmark")
    report({"kernel": "matrix product in single precision", "TFLOP/s": session.ceiling(device) / 1e12})
    chosen = [
        case for case in cases(device, kernels=kernels)
        if case.decoder == DECODER and case.latent == LATENT and case.batch in batches
    ]  # fmt: skip
    rows: list[session.Row] = []
    for (kernel, batch), group in groupby(_without(COMPILED, chosen), lambda case: (case.kernel, case.batch)):
        timed = session.run(list(group), device, seconds, lambda row: None)
        report({"kernel": kernel, "points": batch, **_columns(timed)})
        rows += timed
    for case in chosen:
        if case.form == COMPILED and time.monotonic() - began < compile_until:
            timed = session.run([case], device, seconds, lambda row: None)
            report({"kernel": case.kernel, "points": case.batch, **_columns(timed)})
            rows += timed
    bad = [row for row in rows if row["status"] in ("failed", "wrong")]
    if bad:
        first = bad[0]
        raise RuntimeError(
            f"{len(bad)} of {len(rows)} cases, the first: {first['kernel']}, {first['batch']} points, {first['form']} "
            f"in {first['precision']}: {first['status']}: {first['reason']}"
        )


def _without(form: str, chosen: Sequence[Case]) -> list[Case]:
    return [case for case in chosen if case.form != form]


def _columns(rows: Sequence[session.Row]) -> dict[str, Any]:
    """Milliseconds of each form, and the errors of ours in each precision."""
    columns: dict[str, Any] = {}
    for row in rows:
        name = row["form"] if row["precision"] == "float32" else row["precision"]
        columns[f"{name}, ms"] = 1e3 * row["seconds"] if row["status"] == "ok" else row["status"]
    for row in rows:
        if row["form"] == OURS and row["error"] is not None:
            columns[f"error in {row['precision']}"] = row["error"]
    return columns
