"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Tests that need none of the application must be collected where its libraries are absent.
if TYPE_CHECKING:
    from tests.workers import SharedWorkers

# Where another process holds a core, two threads that wait for each other take minutes for milliseconds.
for _variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Finished = Callable[[str], Path]

DATA_VARIABLE = "LATENTBENCH_DATA"
_CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1280,900",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side run files, so that what tests of a file share is made once; and umap is compiled by one process."""
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            group = "umap" if "umap" in item.nodeid.lower() else item.nodeid.partition("::")[0]
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real data; tests that need it are marked `data` and are skipped where there is none."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        pytest.skip(f"{DATA_VARIABLE} names no folder of real data")
    return Path(named)


@pytest.fixture(scope="session")
def shared_workers() -> Iterator[SharedWorkers]:
    """Worker processes for all tests of the session."""
    from tests.workers import SharedWorkers

    workers = SharedWorkers()
    yield workers
    workers.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """Headless Chromium, for tests that are `slow`."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs Chromium and its driver (apt-get install chromium chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_CHROMIUM, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_workers: SharedWorkers) -> Run:
    """Run a command in an empty folder: `bench("run", "bench.toml")` -> completed process.

    It runs in this process, with workers that tests share. Where workers are what is tested, take
    `bench_own_workers`; where the program is, `bench_process`.
    """
    return _with_shared_workers(tmp_path, monkeypatch, shared_workers)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, shared_workers: SharedWorkers) -> Finished:
    """The result folder of a suite, `finished(text)`, run once for all tests of a file: to be read, or copied."""
    found: dict[str, Path] = {}

    def run(text: str) -> Path:
        if text not in found:
            folder = tmp_path_factory.mktemp("finished")
            (folder / "bench.toml").write_text(text)
            with pytest.MonkeyPatch.context() as patch:
                done = _with_shared_workers(folder, patch, shared_workers)("run", "--out", "out")
            assert done.returncode == 0 and "MLflow" not in done.stderr, done.stderr
            found[text] = folder / "out"
        return found[text]

    return run


def _with_shared_workers(folder: Path, patch: pytest.MonkeyPatch, workers: SharedWorkers) -> Run:
    patch.setattr("bench.running.executor.Process", workers.take)
    # One worker, unless --jobs asks for more: tests run side by side themselves.
    patch.setattr("bench.running.staff.usable_cores", lambda: 1)
    patch.setattr("bench.running.executor.LocalExecutor.close", lambda executor: workers.release(executor))
    return _in_this_process(folder, patch)


@pytest.fixture
def bench_own_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`bench` with workers of its own."""
    return _in_this_process(tmp_path, monkeypatch)


def _in_this_process(folder: Path, patch: pytest.MonkeyPatch) -> Run:
    from bench.cli.main import run_command_line

    patch.chdir(folder)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        patch.setattr(sys, "argv", ["bench", *arguments])
        with _as_a_program() as (stdout, stderr):
            try:
                run_command_line(arguments)
            except SystemExit as end:
                code = end.code
        return subprocess.CompletedProcess(arguments, int(code or 0), stdout.getvalue(), stderr.getvalue())

    return run


@contextlib.contextmanager
def _as_a_program() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Output, logging and warnings as a program of its own has them, not as pytest does."""
    stdout, stderr = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr), warnings.catch_warnings():
            warnings.resetwarnings()
            for unseen in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", unseen)
            warnings.showwarning = _print_warning
            yield stdout, stderr
    finally:
        root.handlers = handlers


def _print_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: object = None, line: str = ""
) -> None:
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))


@pytest.fixture
def bench_process(tmp_path: Path):
    """`bench` as a program of its own."""

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
