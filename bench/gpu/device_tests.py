"""The tests marked `gpu`, which compare methods and metrics on the CPU with those on a GPU."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from bench.gpu.parts import Report
from bench.gpu.session import ROOT


def run(device: str, report: Report, *, files: Sequence[str]) -> None:
    """Run them by pytest, without its settings for all tests, which name plugins that may be absent.

    Args:
        device: is not asked for: tests are skipped, and say so, where there is no GPU.
        files: of tests, relative to the checkout.

    Raises:
        AssertionError: a test failed, with the first of them; or tests could not be collected.
    """
    failures: list[str] = []
    for file in files:
        seen = _Seen()
        code = pytest.main(
            [
                str(ROOT / file), "-c", os.devnull, f"--rootdir={ROOT}", "--import-mode=importlib",
                "-p", "no:cacheprovider", "-q", "-m", "gpu",
            ],
            plugins=[seen],
        )  # fmt: skip
        counts = {outcome: seen.outcomes[outcome] for outcome in ("passed", "failed", "skipped")}
        report({"tests": file, **counts, "why skipped": "; ".join(sorted(seen.reasons))})
        failures += seen.failures
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            failures.append(f"{file}: pytest ended with exit code {int(code)}")
    if failures:
        raise AssertionError(f"{len(failures)} failed, the first: {failures[0]}")


class _Seen:
    """A pytest plugin that counts outcomes."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.reasons: set[str] = set()
        self.failures: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when != "call" and report.passed:
            return
        self.outcomes[report.outcome] += 1
        if report.skipped:
            self.reasons.add(report.longrepr[2].removeprefix("Skipped: "))
        elif report.failed:
            self.failures.append(f"{report.nodeid}: {_message(report.longrepr)}")


def _message(longrepr: Any) -> str:
    crash = getattr(longrepr, "reprcrash", None)
    return (crash.message if crash else str(longrepr)).strip().partition("\n")[0]
