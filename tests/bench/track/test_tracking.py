"""A real MLflow store: what it holds, that it can be rebuilt, and that its loss harms nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pandas as pd
import pytest

from bench.track.store import Store
from tests.conftest import SMALL_SUITE

TRACKED = SMALL_SUITE.replace('mlflow = "off"', 'mlflow = "sqlite"') + "[tune]\ntrials = 2\nbatch = 2\n"


def runs_of(folder: Path) -> dict[str, dict]:
    """What a store holds, by the runs' keys and without MLflow's own ids."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("small")
    found = {}
    for run in client.search_runs([experiment.experiment_id]):
        parent = run.data.tags.get("mlflow.parentRunId")
        found[run.data.tags["bench.key"]] = {
            "metrics": dict(run.data.metrics),
            "params": dict(run.data.params),
            "tags": {k: v for k, v in run.data.tags.items() if not k.startswith(("mlflow.", "bench."))},
            "status": run.info.status,
            "parent": client.get_run(parent).data.tags["bench.key"] if parent else None,
            "curve": [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "curve/val_loss")],
            "files": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
        }
    return found


@pytest.fixture
def finished(bench, write_suite, tmp_path):
    write_suite(TRACKED)
    done = bench("run", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "MLflow" not in done.stderr
    return tmp_path / "out"


def test_the_store_mirrors_the_ledger_and_is_rebuilt_alike(finished, bench, tmp_path):
    live = runs_of(finished)
    frame = pd.read_parquet(finished / "results.parquet")
    final = {key: run for key, run in live.items() if key.startswith("final/")}
    assert len(final) == 4 and len([key for key in live if key.startswith("study/")]) == 2
    for key, run in final.items():
        rows = frame[(frame["cell_id"] == key.removeprefix("final/")) & frame["value"].notna()]
        for row in rows.itertuples():
            assert run["metrics"][row.metric] == row.value
        assert run["tags"]["method"] == rows["method"].iloc[0] and run["tags"]["phase"] == "final"
        assert run["tags"]["status"] == "ok" and len(run["tags"]["git_sha"]) == 40
        assert run["parent"].startswith("study/") and run["status"] == "FINISHED"
        assert run["params"]["seed"] in {"0", "1"} and run["params"]["latent_dim"] == "2"
        pictures = ["geodesics.png"] if run["params"]["seed"] == "0" else []
        assert run["files"] == ["embedding.png", *pictures]
        if run["tags"]["method"] == "ae":
            assert [step for step, _ in run["curve"]] == [1, 2, 3]
    assert [run["parent"] for key, run in live.items() if key.startswith("trial/")] == ["study/swiss_roll/ae"] * 2
    assert {"report.md", "results.parquet"} <= set(live["report"]["files"])

    rebuilt = tmp_path / "rebuilt"
    shutil.copytree(finished, rebuilt, ignore=shutil.ignore_patterns("mlflow.db", "mlartifacts"))
    done = bench("sync", "rebuilt")
    assert done.returncode == 0, done.stderr
    assert runs_of(rebuilt) == live
    # Synchronising again, or running again, adds nothing.
    assert bench("sync", "out").returncode == 0 and bench("run", "--out", "out").returncode == 0
    assert runs_of(finished) == live


def test_a_broken_store_fails_no_cell(bench, write_suite, tmp_path):
    write_suite(TRACKED)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mlflow.db").write_bytes(b"this is no database at all" * 100)
    done = bench("run", "--out", "out")
    assert done.returncode == 0 and "bench sync" in done.stderr and "Traceback" not in done.stderr
    assert pd.read_parquet(tmp_path / "out" / "results.parquet")["value"].notna().any()
    failed = bench("sync", "out")
    assert failed.returncode == 2 and failed.stderr.count("\n") == 1


def test_an_unreachable_server_fails_no_cell(bench, write_suite, tmp_path):
    write_suite(SMALL_SUITE.replace('mlflow = "off"', 'mlflow = "http://127.0.0.1:9"'))
    done = bench("run", "--out", "out")
    assert done.returncode == 0 and "not available" in done.stderr


def test_the_ui_asks_mlflow_for_the_local_address(bench, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    Store("sqlite", "small", tmp_path / "out")
    asked = []
    monkeypatch.setattr(
        "bench.commands.subprocess.run", lambda command, **_: asked.append(command) or CompletedProcess(command, 0)
    )
    assert bench("ui", "out", "--port", "5123").returncode == 0
    (command,) = asked
    assert command[command.index("--host") + 1] == "127.0.0.1" and command[command.index("--port") + 1] == "5123"


@pytest.mark.slow  # MLflow's server takes a quarter of a minute to start
def test_the_ui_serves_the_store_on_the_local_address_only(tmp_path):
    import socket
    import subprocess
    import sys
    import time
    import urllib.error
    import urllib.request

    (tmp_path / "out").mkdir()
    Store("sqlite", "small", tmp_path / "out")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "bench", "ui", "out", "--port", str(port)],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        deadline, page = time.monotonic() + 90, b""
        while not page and time.monotonic() < deadline:
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        assert b"MLflow" in page
        import psutil

        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        listening = {c.laddr.ip for p in family for c in p.net_connections("inet") if c.status == "LISTEN"}
        assert listening == {"127.0.0.1"}
    finally:
        import os
        import signal

        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
