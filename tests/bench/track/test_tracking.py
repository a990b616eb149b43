"""A real MLflow store: what it holds, that it can be rebuilt, and that its loss harms nothing."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import psutil
import pytest

from bench.track.views import address, view_tags
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
            # The run that holds the report has no work of its own to time.
            "seconds": 0 if run.data.tags["kind"] == "report" else run.info.end_time - run.info.start_time,
            "note": run.data.tags.get("mlflow.note.content"),
            "data": [(entry.dataset.name, entry.dataset.digest) for entry in run.inputs.dataset_inputs],
            "parent": client.get_run(parent).data.tags["bench.key"] if parent else None,
            "curve": [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "curve/val_loss")],
            "files": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
        }
    return found


def frame_content(folder: Path) -> str:
    """The content hash of the one data set of a folder."""
    from bench.record.ledger import read

    return next(iter(read(folder).records.values())).cell.dataset.content


def test_the_store_mirrors_the_ledger_and_is_rebuilt_alike(finished, bench, tmp_path):
    folder = finished(TRACKED)
    live = runs_of(folder)
    frame = pd.read_parquet(folder / "results.parquet")
    final = {key: run for key, run in live.items() if key.startswith("final/")}
    assert len(final) == 4 and len([key for key in live if key.startswith("study/")]) == 2
    for key, run in final.items():
        rows = frame[(frame["cell_id"] == key.removeprefix("final/")) & frame["value"].notna()]
        for row in rows.itertuples():
            family = "geometry" if row.metric.startswith("mcn") else "quality"
            assert run["metrics"][f"{family}/{row.metric}"] == row.value
        assert run["tags"]["method"] == rows["method"].iloc[0] and run["tags"]["phase"] == "final"
        assert run["tags"]["status"] == "ok" and len(run["tags"]["git_sha"]) == 40
        assert run["parent"].startswith("study/") and run["status"] == "FINISHED"
        assert run["params"]["seed"] in {"0", "1"} and run["params"]["latent_dim"] == "2"
        pictures = ["geodesics.png"] if run["params"]["seed"] == "0" else []
        assert run["files"] == ["embedding.png", *pictures, "model"]
        assert run["data"] == [("swiss_roll", frame_content(folder)[:36])]
        if run["tags"]["method"] == "ae":
            assert [step for step, _ in run["curve"]] == [1, 2, 3]
    assert [run["parent"] for key, run in live.items() if key.startswith("trial/")] == ["study/swiss_roll/ae"] * 2
    assert {"report.html", "report.md", "results.parquet", "figures"} == set(live["report"]["files"])
    # A study says what its models reached together.
    study, models = live["study/swiss_roll/ae"], [run for run in final.values() if run["tags"]["method"] == "ae"]
    values = [run["metrics"]["quality/knn_preservation"] for run in models]
    assert study["metrics"]["quality/knn_preservation"] == pytest.approx(np.mean(values))
    assert study["metrics"]["quality/knn_preservation_std"] == pytest.approx(np.std(values, ddof=1))
    assert study["params"] == {k: v for k, v in models[0]["params"].items() if k != "seed"}
    assert study["seconds"] > 0 and "2 report seeds" in study["note"] and "tuned with 2 trials" in study["note"]

    rebuilt = tmp_path / "rebuilt"
    shutil.copytree(folder, rebuilt, ignore=shutil.ignore_patterns("mlflow.db", "mlartifacts"))
    done = bench("sync", "rebuilt")
    assert done.returncode == 0, done.stderr
    assert runs_of(rebuilt) == live
    # Synchronising again, or running again, adds nothing.
    suite = str(folder.parent / "bench.toml")
    assert bench("sync", str(folder)).returncode == 0 and bench("run", suite, "--out", str(folder)).returncode == 0
    assert runs_of(folder) == live


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


def test_the_ui_asks_mlflow_for_the_local_address_and_says_where_methods_are_compared(finished, bench, monkeypatch):
    asked = []
    monkeypatch.setattr("bench.ui.os.execve", lambda program, command, env: asked.append((command, env)))
    folder = finished(TRACKED)
    done = bench("ui", str(folder), "--port", "5123")
    ((command, env),) = asked
    assert command[command.index("--host") + 1] == "127.0.0.1" and command[command.index("--port") + 1] == "5123"
    assert env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    (page,) = re.findall(r"small, swiss_roll: (\S+)", done.stdout)
    assert page.startswith("http://127.0.0.1:5123/#/experiments/") and "workflowType=machine_learning" in page
    key = page.partition("viewStateShareKey=")[2]
    from mlflow import MlflowClient

    tags = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").get_experiment_by_name("small").tags
    view = json.loads(tags[f"mlflow.sharedViewState.{key}"])
    state = json.loads(zlib.decompress(base64.b64decode(view["state"].removeprefix("deflate;"))))
    assert state["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "method"}]
    assert "metrics.`quality/knn_preservation`" in state["selectedColumns"] and "swiss_roll" in state["searchFilter"]


def test_a_data_set_of_any_name_has_a_view():
    tags = view_tags({"my data & more": ["quality/x"]}, ["a"], 0)
    (key,) = tags
    assert re.fullmatch(r"[\w\-./ ]+", key)
    page = address(5000, "1", "my data & more")
    assert unquote(page.partition("viewStateShareKey=")[2]) == key.removeprefix("mlflow.sharedViewState.")
    assert page.count("&") == 2


def test_a_moved_folder_takes_its_artifacts_along(finished, bench_process, tmp_path):
    from mlflow import MlflowClient

    moved = Path(shutil.copytree(finished(TRACKED), tmp_path / "moved"))
    # In a process of its own: MLflow remembers for as long as it lives where a run's artifacts were.
    assert bench_process("sync", "moved").returncode == 0
    client = MlflowClient(f"sqlite:///{moved / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("small").experiment_id
    places = [run.info.artifact_uri for run in client.search_runs([experiment])]
    assert all(place.startswith(f"{(moved / 'mlartifacts').as_uri()}/") for place in places)
    (run,) = client.search_runs([experiment], "tags.`bench.key` = 'report'")
    assert (Path(run.info.artifact_uri.removeprefix("file://")) / "report.md").read_text().startswith("# small")


def test_a_run_with_nothing_to_do_leaves_the_store_alone_and_the_next_one_completes_it(bench, write_suite, tmp_path):
    from mlflow import MlflowClient

    write_suite(TRACKED)
    assert bench("run", "--out", "out").returncode == 0
    database = tmp_path / "out" / "mlflow.db"
    before, written = runs_of(tmp_path / "out"), database.read_bytes()
    assert bench("run", "--out", "out").returncode == 0
    assert database.read_bytes() == written
    client = MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("small").experiment_id
    (lost, *_) = client.search_runs([experiment], "tags.kind = 'final'")
    client.delete_run(lost.info.run_id)
    (study, *_) = client.search_runs([experiment], "tags.kind = 'study'")
    client.delete_run(study.info.run_id)
    write_suite(TRACKED.replace("report_seeds = [0, 1]", "report_seeds = [0, 1, 2]"))
    assert bench("run", "--out", "out").returncode == 0
    after = runs_of(tmp_path / "out")
    assert after.keys() > before.keys() and len(after) == len(before) + 2


def test_a_model_of_a_run_loads_as_its_readme_says(finished, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{finished(TRACKED) / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("small").experiment_id
    (run, *_) = client.search_runs([experiment], "tags.kind = 'final' AND tags.method = 'ae'")
    folder = Path(client.download_artifacts(run.info.run_id, "model"))
    monkeypatch.chdir(folder)
    code = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)[0]
    names: dict = {}
    exec(code, names)
    assert names["model"].decode(names["arrays"]["Z.scored"]).shape[1] == 3


def test_a_failed_run_holds_its_reason_and_its_log(bench, write_suite, tmp_path):
    from mlflow import MlflowClient

    (tmp_path / "bad.py").write_text(
        "class Bad:\n    def fit(self, X):\n        raise RuntimeError('no good ' * 100)\n"
    )
    write_suite(TRACKED.replace("[methods.pca]", '[methods.bad]\ntarget = "./bad.py:Bad"'))
    assert bench("run", "--out", "out", "-m", "bad").returncode == 1
    client = MlflowClient(f"sqlite:///{tmp_path / 'out' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("small").experiment_id
    (run, *_) = client.search_runs([experiment], "tags.kind = 'final' AND tags.method = 'bad'")
    assert run.data.tags["reason"].count("no good") == 100 and run.info.status == "FAILED"
    (file,) = client.list_artifacts(run.info.run_id, "log")
    assert "RuntimeError" in Path(client.download_artifacts(run.info.run_id, file.path)).read_text()


@pytest.fixture
def ui(finished, tmp_path) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """`bench ui` once it answers: its process, and the addresses it printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "bench", "ui", str(finished(TRACKED)), "--port", str(port)],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        name, _, page = process.stdout.readline().strip().partition(": ")
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        yield psutil.Process(process.pid), {name: page}
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.slow  # MLflow's server takes seconds to start
def test_the_ui_opens_on_methods_to_compare_on_the_local_address_only(ui, browser):
    process, said = ui
    browser.get(said["small, swiss_roll"])
    deadline, groups = time.monotonic() + 60, set()
    while len(groups) < 2 and time.monotonic() < deadline:
        groups = set(re.findall(r"Group: (\S+)", browser.find_element("css selector", "body").text))
        time.sleep(0.5)
    text = browser.find_element("css selector", "body").text
    assert groups == {"ae", "pca"} and "Headline metrics" in text
    family = [process, *process.children(recursive=True)]
    listening = {c.laddr.ip for p in family for c in p.net_connections("inet") if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"} and not any("huey" in " ".join(p.cmdline()) for p in family)
