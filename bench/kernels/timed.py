"""The timings themselves, run by pytest-benchmark; `session.Session` says of what, and takes the results."""

from __future__ import annotations

from typing import Any

from bench.kernels.cases import Case


def time_case(benchmark: Any, case: Case, session: Any) -> None:
    """Time one case."""
    session.time(benchmark, case)
