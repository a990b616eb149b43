"""`make gpu`: every part ends as a row, whatever becomes of the others."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch

from bench.gpu import __main__ as command
from bench.gpu import derivatives, device_tests, graphs
from bench.gpu.parts import Part, parts
from methods.training import loop
from tests.bench.bare import BARE

TRAINING = {"width": 16, "n_features": 8, "batches": 4, "epochs": 1, "rounds": 1}
TINY = {
    "graphs": TRAINING,
    "stacks": {**TRAINING, "n_models": 2, "plain_epochs": 1},
    "derivatives": {"kernels": ["jvp"], "batches": [100], "seconds": 0.001, "compile_until": 0.0},
    "geodesics": {"n_models": 2, "n_pairs": 3, "epochs": 1, "n_checked": 1},
}


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """Do these parts on the CPU: exit code, gpu.json, gpu.md."""

    def run(*chosen: Part, absent: str = "") -> tuple[int, dict, str]:
        (tmp_path / "sitecustomize.py").write_text(absent)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(command, "parts", lambda device: chosen)
        code = command.main(["--device", "cpu", "--out", str(tmp_path / "out")])
        files = [tmp_path / "out" / name for name in ("gpu.json", "gpu.md")]
        return code, json.loads(files[0].read_text()), files[1].read_text()

    return run


TESTS = """
import pytest

@pytest.mark.gpu
def test_one():
    assert 1 + 1 == 2

@pytest.mark.gpu
@pytest.mark.skip(reason="no such device")
def test_another():
    pass

def test_not_of_devices():
    raise AssertionError
"""


ALL = """
import importlib
from bench.gpu.parts import parts

def run(device, report, **sizes):
    for part in parts(device):
        module = importlib.import_module(part.module)
        module.run(device, lambda row: report({"part": part.name, **row}), **sizes[part.name])
"""


def test_all_parts_where_the_application_has_none_of_its_libraries(gpu, tmp_path):
    """In one process, as most of their time here is that of starting one."""
    (tmp_path / "all_parts.py").write_text(ALL)
    file = tmp_path / "test_of_devices.py"
    file.write_text(TESTS)
    sizes = {**TINY, "device_tests": {"files": [str(file)]}}
    more = '{"typer", "rich", "pandas", "pyarrow", "matplotlib", "numba", "mlflow"'
    code, found, table = gpu(Part("all", "All parts", "all_parts", 120, sizes), absent=BARE.replace('{"mlflow"', more))
    assert found["parts"][0]["reason"] == "" and code == 0
    rows = {part.name: [row for row in found["parts"][0]["rows"] if row["part"] == part.name] for part in parts("cpu")}
    (row,) = rows["device_tests"]
    assert (row["passed"], row["failed"], row["skipped"], row["why skipped"]) == (1, 0, 1, "no such device")
    assert rows["graphs"][-1]["largest relative deviation"] == 0
    assert [row["models"] for row in rows["stacks"]] == [2, 1, 2]
    assert len(rows["derivatives"]) == 2 and rows["derivatives"][1]["ours, ms"] > 0
    assert rows["geodesics"][1]["pairs"] == 3 and 0 < rows["geodesics"][1]["CV, mean"] < 2
    assert found["torch"].startswith(torch.__version__) and found["commit"] in table
    assert "| all | ok |" in table and "| stacks | " in table
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["gpu.json", "gpu.md"]


PROGRAMS = {
    "fine": "report({'what': 'a|b', 'value': 1.23456})",
    "raises": "report({'value': 1}); raise ValueError('first line\\nsecond line')",
    "hangs": "report({'value': 2}); subprocess.run(['sleep', '600'])",
    "dies": "os.abort()",
    "lacks": "import no_such_library",
    "broken": "import bench.no_such_module",
    "last": "pass",
}


def test_a_part_that_fails_or_hangs_is_a_row_and_the_others_go_on(gpu, tmp_path, capfd):
    for name, body in PROGRAMS.items():
        program = f"import os, subprocess\ndef run(device, report):\n    {body}\n"
        (tmp_path / f"part_{name}.py").write_text(program)
    code, found, table = gpu(*(Part(name, name, f"part_{name}", 3 if name == "hangs" else 30) for name in PROGRAMS))
    assert code == 1
    assert {part["part"]["name"]: (part["status"], part["reason"]) for part in found["parts"]} == {
        "fine": ("ok", ""),
        "raises": ("failed", "ValueError: first line"),
        "hangs": ("failed", "not done after 3 s"),
        "dies": ("failed", "its process ended with exit code -6"),
        "lacks": ("could not be done", "ModuleNotFoundError: No module named 'no_such_library'"),
        "broken": ("failed", "ModuleNotFoundError: No module named 'bench.no_such_module'"),
        "last": ("ok", ""),
    }
    assert [part["rows"] for part in found["parts"]][:3] == [
        [{"what": "a|b", "value": 1.23456}], [{"value": 1}], [{"value": 2}]
    ]  # fmt: skip
    assert "| a\\|b | 1.235 |" in table
    logs = {log.stem for log in (tmp_path / "out").glob("*.log")}
    assert logs == {"raises", "hangs", "dies", "lacks", "broken"}
    assert "second line" in (tmp_path / "out" / "raises.log").read_text()
    progress = capfd.readouterr().out
    assert "value 2" in progress and "hangs: failed after 3 s" in progress
    assert not any(str(tmp_path) in environment for environment in environments())


def environments() -> list[str]:
    """Of the other processes that this user may look at."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        if file.parent.name != str(os.getpid()):
            try:
                found.append(file.read_text(errors="replace"))
            except OSError:
                continue
    return found


def test_without_its_engine_the_part_of_the_derivatives_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytest_benchmark", None)
    with pytest.raises(ModuleNotFoundError, match="pytest_benchmark"):
        derivatives.run("cpu", print, **TINY["derivatives"])


def test_a_device_that_is_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert command.main(["--out", str(tmp_path / "out")]) == 2
    assert "--device cpu" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_the_limits_leave_some_of_the_nine_minutes():
    for device in ("cpu", "cuda"):
        assert sum(part.limit for part in parts(device)) <= 9 * 60 - 30


def test_a_test_that_fails_is_named(tmp_path):
    file = tmp_path / "test_of_devices.py"
    file.write_text(TESTS.replace("== 2", "== 3"))
    rows = []
    with pytest.raises(AssertionError, match=r"1 failed, the first: .*test_one: assert \(?1 \+ 1"):
        device_tests.run("cpu", rows.append, files=[str(file)])
    assert rows[0]["failed"] == 1


def test_recorded_steps_that_train_other_models_are_found(monkeypatch):
    """A record whose replay does nothing."""
    monkeypatch.setattr(loop, "is_recordable", lambda device: True)
    monkeypatch.setattr(graphs, "cuda_graph", lambda call: (call(), lambda: None))
    rows = []
    with pytest.raises(RuntimeError, match="other models"):
        graphs.run("cpu", rows.append, **{**TRAINING, "batches": 6})
    assert [row.get("graphs captured") for row in rows] == [0, 4, None]
