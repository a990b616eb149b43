"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Where another process holds a core, two threads that wait for each other take minutes for milliseconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")

DATA_VARIABLE = "LATENTBENCH_DATA"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real data; tests that need it are marked `data` and are skipped where there is none."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        pytest.skip(f"{DATA_VARIABLE} names no folder of real data")
    return Path(named)


@pytest.fixture
def bench(tmp_path: Path):
    """Run the real command line in an empty folder: `bench("run", "bench.toml")` -> completed process."""

    def run(*arguments: str, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "bench", *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def write_suite(tmp_path: Path):
    """Write a bench.toml of two fast methods on one small data set, with other tables as given."""

    def write(text: str = "", name: str = "bench.toml") -> Path:
        path = tmp_path / name
        path.write_text(text or SMALL_SUITE)
        return path

    return write


SMALL_SUITE = """
suite = "small"
[run]
report_seeds = [0, 1]
timeout = "60s"
[datasets.swiss_roll]
n = 160
[methods.pca]
[methods.ae]
epochs = 3
hidden = [8]
[metrics]
use = ["knn_preservation", "reconstruction_mse", "mcn"]
[track]
mlflow = "off"
"""
