"""One session of timings: pytest-benchmark as the engine, one row for each case."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from bench.errors import BadInputError
from bench.kernels import measure
from bench.kernels.cases import Case
from bench.kernels.forms import KERNELS, draw

Row = dict[str, Any]
Report = Callable[[Row], None]

TIMED = Path(__file__).with_name("timed.py")
# A call may take so much of the memory that is free.
MEMORY_SHARE = 0.5


def run(cases: Sequence[Case], device: str, seconds: float, report: Report) -> list[Row]:
    """Time all cases; one row for each, in order. An interrupt ends it with the rows so far.

    Args:
        device: 'cpu' or 'cuda'.
        seconds: to spend on each case; at least five rounds are made.
        report: told of each row.

    Raises:
        BadInputError: the engine did not run.
    """
    session = Session(cases, device, report)
    code = pytest.main(
        [
            str(TIMED), "-c", os.devnull, f"--rootdir={TIMED.parent}", "--import-mode=importlib",
            "-p", "no:terminal", "-s", "-p", "no:cacheprovider", "-o", "python_functions=time_*",
            "--benchmark-only", f"--benchmark-max-time={seconds}", "--benchmark-min-rounds=5",
            "--benchmark-warmup=on", "--benchmark-warmup-iterations=2", "--benchmark-disable-gc",
            "--benchmark-timer=bench.kernels.clock.synchronised",
        ],
        plugins=[session],
    )  # fmt: skip
    if len(session.rows) != len(cases) and code != pytest.ExitCode.INTERRUPTED:
        raise BadInputError(f"pytest-benchmark gave {len(session.rows)} of {len(cases)} timings (exit code {code})")
    return session.rows


class Session:
    """A pytest plugin that hands out the cases and takes their results."""

    def __init__(self, cases: Sequence[Case], device: str, report: Report) -> None:
        self.cases, self.device, self.report = cases, device, report
        self.rows: list[Row] = []
        self._bytes_of_a_point: dict[tuple[str, ...], float] = {}

    def pytest_generate_tests(self, metafunc: Any) -> None:
        metafunc.parametrize("case", self.cases, ids=map(str, self.cases))

    @pytest.fixture
    def session(self) -> Session:
        return self

    def time(self, benchmark: Any, case: Case) -> None:
        """Check one case, time it, and note what was found. A form that fails is a row with the reason."""
        try:
            row = self._timed(benchmark, case)
        except Exception as error:
            row = {**_empty(case, self.device), "status": "failed", "reason": _first_line(error)}
        self.rows.append(row)
        self.report(row)

    def _timed(self, benchmark: Any, case: Case) -> Row:
        row = _empty(case, self.device)
        too_much = self._too_much_memory(case)
        if too_much:
            return {**row, "status": "skipped", "reason": too_much}
        with measure.precision(case.precision):
            checked = draw(case.decoder, min(case.batch, measure.CHECKED), case.latent, self.device)
            row["error"] = error = measure.error(case, checked)
            if error is not None and case.precision == "float32" and not error <= measure.TOLERANCE:
                return {**row, "status": "wrong", "reason": f"differs from double precision by {error:.1e}"}
            at = draw(case.decoder, case.batch, case.latent, self.device).to(measure.DTYPES[case.precision])
            call = KERNELS[case.kernel].forms[case.form](at)
            call()
            row["peak_mb"] = peak = measure.peak_memory(call, self.device) / 1e6
            self._bytes_of_a_point[_same_but_batch(case)] = peak * 1e6 / case.batch
            benchmark(call)
        found = benchmark.stats.stats
        flops = KERNELS[case.kernel].flops(measure.flops_of_a_point(checked), case.batch, case.latent)
        return {
            **row, "status": "ok", "seconds": found.median, "iqr": found.iqr, "rounds": found.rounds, "flops": flops,
            "flops_per_second": flops / found.median,
        }  # fmt: skip

    def _too_much_memory(self, case: Case) -> str:
        """Why a case is not run: by its memory at a smaller batch it would not fit."""
        of_a_point = self._bytes_of_a_point.get(_same_but_batch(case))
        if of_a_point is None:
            return ""
        free = torch.cuda.mem_get_info()[0] if self.device == "cuda" else psutil.virtual_memory().available
        needed = of_a_point * case.batch
        return f"needs about {needed / 1e9:.1f} GB, {free / 1e9:.1f} are free" if needed > MEMORY_SHARE * free else ""


def ceiling(device: str) -> float:
    """FLOPs a second of a large matrix product in single precision, the best of the rounds that a second holds."""
    from bench.kernels.clock import synchronised

    product, flops = measure.matrix_product(device)
    product()
    times: list[float] = []
    while not times or sum(times) < 1.0:
        began = synchronised()
        product()
        times.append(synchronised() - began)
    return flops / min(times)


def _empty(case: Case, device: str) -> Row:
    absent = dict.fromkeys(("seconds", "iqr", "rounds", "flops", "flops_per_second", "peak_mb", "error"))
    return {**asdict(case), "device": device, "status": "ok", "reason": "", **absent}


def _same_but_batch(case: Case) -> tuple[str, ...]:
    return (case.kernel, case.decoder, str(case.latent), case.form, case.precision)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:200]
