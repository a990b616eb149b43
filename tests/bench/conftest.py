"""Timings by pytest-benchmark, within tests that may themselves run side by side."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def nothing_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-benchmark refuses to time anything in a worker of pytest-xdist; how long it takes is not tested here."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
