"""`bench kernels`: every form gives the right values, and the command does what it says."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
import torch

from bench.kernels import session
from bench.kernels.cases import Case, cases
from bench.kernels.decoders import DECODERS
from bench.kernels.forms import COMPILED, GRAPH, KERNELS, OURS, PUBLISHED, draw
from bench.kernels.measure import TOLERANCE, error, flops_of_a_point, peak_memory
from reports.kernels import kernel_frame, kernel_tables
from tests.bench.bare import BARE

FORMS = [(kernel, form) for kernel in KERNELS for form in KERNELS[kernel].forms if form not in (COMPILED, GRAPH)]


@pytest.mark.parametrize(("kernel", "form"), FORMS, ids=lambda name: name)
@pytest.mark.parametrize("latent", [2, 20])
def test_every_form_gives_what_double_precision_gives(kernel, form, latent):
    for decoder in ("mlp-256x4", "conv"):
        found = error(Case(kernel, decoder, 70, latent, form), draw(decoder, 70, latent, "cpu"))
        assert found is None if form == "plain" else found < TOLERANCE


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's compiler warns of itself
@pytest.mark.parametrize("kernel", [kernel for kernel in KERNELS if COMPILED in KERNELS[kernel].forms])
def test_compiled_forms_give_the_same(kernel):
    assert error(Case(kernel, "mlp-256x4", 70, 2, COMPILED), draw("mlp-256x4", 70, 2, "cpu")) < TOLERANCE


@pytest.mark.filterwarnings("ignore")  # torch's compiler warns of itself
def test_forms_called_compiled_are_compiled_however_many_there_are(monkeypatch):
    """Past a number of compilations torch silently runs a function as it is."""
    from torch._dynamo.testing import CompileCounter

    compile_with = torch.compile
    for batch in range(20, 30):
        graphs = CompileCounter()
        monkeypatch.setattr(torch, "compile", lambda f, dynamic, b=graphs: compile_with(f, backend=b, dynamic=dynamic))
        call = KERNELS["jacobian"].forms[COMPILED](draw("mlp-256x4", batch, 2, "cpu"))
        call()
        assert graphs.frame_count == 1


def test_the_distortion_step_is_the_gradient_of_the_distortion():
    """Against finite differences in one weight, in double precision."""
    from metrics.distortion import relaxed_distortion

    at = draw("mlp-256x4", 20, 2, "cpu").to(torch.float64)
    loss, gradient = KERNELS["distortion step"].forms[OURS](at)()
    weight, h = at.decoder[0].weight, 1e-6
    values = []
    for step in (h, -2 * h):
        with torch.no_grad():
            weight[0, 0] += step
            values.append(relaxed_distortion(at.decoder, at.z))
    assert gradient[0] == pytest.approx(float(values[0] - values[1]) / (2 * h), rel=1e-4)
    assert float(loss) == pytest.approx(float(sum(values)) / 2, rel=1e-6)


def test_flops_are_those_of_the_layers():
    assert flops_of_a_point(draw("mlp-256x4", 5, 2, "cpu")) == 2 * (2 * 256 + 3 * 256**2 + 256 * 784)


def test_peak_memory_counts_what_a_call_holds_at_once():
    x = torch.ones(1_000, 1_000)

    def call():
        for _ in range(3):
            y = x + 1
        return (y,)

    assert peak_memory(call, "cpu") == pytest.approx(8e6, rel=0.01)


def test_the_grid_covers_decoders_batches_and_dimensions_and_cuda_has_more():
    cpu, cuda = cases("cpu"), cases("cuda")
    assert {case.decoder for case in cpu} == set(DECODERS)
    assert {case.batch for case in cpu} == {100, 1_000, 10_000} and {case.latent for case in cpu} == {2, 16, 128}
    assert not any(case.form == GRAPH or case.precision != "float32" for case in cpu)
    assert {case.precision for case in cuda} == {"float32", "tf32", "bfloat16"}
    assert {case.kernel for case in cuda if case.form == GRAPH} == set(KERNELS) - {"forward", "forward and backward"}
    # Differences of neighbouring images drown in TF32.
    assert all(case.precision == "float32" for case in cuda if case.kernel == "geodesic energy and gradient")


def timed(chosen):
    seen = []
    return session.run(chosen, "cpu", 0.01, seen.append), seen


def test_rows_come_in_order_with_all_that_was_measured():
    chosen = [Case("jvp", "mlp-256x4", 30, 2, form) for form in (PUBLISHED, OURS)]
    rows, seen = timed(chosen)
    assert rows == seen and [row["form"] for row in rows] == [PUBLISHED, OURS]
    for row in rows:
        assert row["status"] == "ok" and row["rounds"] >= 5 and row["seconds"] > 0 and row["error"] < TOLERANCE
        assert row["flops_per_second"] == pytest.approx(row["flops"] / row["seconds"])


def test_a_form_that_fails_or_is_wrong_is_a_row_and_the_others_are_timed(monkeypatch):
    def broken(at):
        raise RuntimeError("no such instruction\nand more")

    forms = {**KERNELS["jvp"].forms, "broken": broken, "wrong": lambda at: lambda: (at.u,)}
    monkeypatch.setitem(KERNELS, "jvp", replace(KERNELS["jvp"], forms=forms))
    rows, _ = timed([Case("jvp", "mlp-256x4", 30, 2, form) for form in ("broken", "wrong", OURS)])
    assert [row["status"] for row in rows] == ["failed", "wrong", "ok"]
    assert rows[0]["reason"] == "RuntimeError: no such instruction" and "double precision" in rows[1]["reason"]


def test_what_would_not_fit_in_memory_is_skipped_with_what_it_needs(monkeypatch):
    monkeypatch.setattr(session, "MEMORY_SHARE", 1e-6)
    rows, _ = timed([Case("jvp", "mlp-256x4", batch, 2, OURS) for batch in (20, 2_000)])
    assert [row["status"] for row in rows] == ["ok", "skipped"]
    assert "GB" in rows[1]["reason"]


def row(form, seconds, kernel="distortion step", **more):
    return {
        "kernel": kernel, "decoder": "mlp", "batch": 100, "latent": 2, "form": form, "precision": "float32",
        "device": "cpu", "status": "ok", "reason": "", "seconds": seconds, "iqr": 0.0, "rounds": 5, "flops": 6.0,
        "flops_per_second": seconds and 6.0 / seconds, "peak_mb": 1.0, "error": 1e-6, **more,
    }  # fmt: skip


def test_ratios_are_those_of_the_same_shape():
    rows = [
        row("plain", 1.0, "forward and backward"), row("published form", 4.0), row("ours", 2.0),
        row("ours", 2.0, batch=10), row("ours", None, decoder="conv", status="failed"),
    ]  # fmt: skip
    frame = kernel_frame(rows, ceiling=12.0)
    assert frame["ratio_to_published"].tolist()[1:3] == [1.0, 2.0] and frame["ratio_to_published"][3:].isna().all()
    assert frame["relative_to_plain"][2] == 2.0
    assert frame["share_of_ceiling"][2] == 0.25
    (line,) = [line for line in kernel_tables(frame)["distortion step"] if line[:2] == ["mlp", "100"]]
    assert line == ["mlp", "100", "2", "4e+03", "2e+03 (2.0x)", "2.00", "25%", "1e-06", "1"]


def test_the_command_writes_frame_report_plot_and_mlflow_run(bench, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.kernels.cases.QUICK_SHAPES", ((100, 2),))
    done = bench("kernels", "--quick", "-k", "jvp", "--seconds", "0.01", "--out", "out")
    assert done.returncode == 0, done.stderr + done.stdout
    frame = pd.read_parquet(tmp_path / "out" / "kernels.parquet")
    assert len(frame) == 3 and (frame["status"] == "ok").all()
    assert "### jvp" in (tmp_path / "out" / "kernels.md").read_text()
    assert (tmp_path / "out" / "figures" / "kernels.png").is_file()
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'out' / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("kernels").experiment_id])
    assert run.data.metrics["ratio/jvp/mlp-256x4/d2/ours/float32"] > 0
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        "kernels.parquet", "kernels.md", "figures"
    }  # fmt: skip


def test_an_interrupt_keeps_what_had_been_timed(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "bench", "kernels", "--quick", "--seconds", "0.1", "--out", "out"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A background job of a shell ignores the signal, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    timed = 0
    while timed < 3 and (line := process.stdout.readline()):
        timed += line.startswith("✓")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in error and "Traceback" not in error
    assert 3 <= len(pd.read_parquet(tmp_path / "out" / "kernels.parquet")) < 40


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_timed(bench, tmp_path):
    (tmp_path / "taken").write_text("")
    done = bench("kernels", "--quick", "--out", "taken/here")
    assert done.returncode == 2 and "taken/here" in done.stderr and "Traceback" not in done.stderr


def test_an_unknown_kernel_is_named_with_the_nearest(bench):
    done = bench("kernels", "-k", "jacobean")
    assert done.returncode == 2 and "jacobian" in done.stderr and "Traceback" not in done.stderr


def test_geometry_needs_no_more_than_torch_numpy_scipy_and_scikit_learn(tmp_path):
    more = '"numba", "pandas", "matplotlib", "rich", "typer", "psutil", "pytest", "safetensors", "pyarrow", '
    program = BARE.replace('{"mlflow"', "{" + more + '"mlflow"') + (
        "import torch\nfrom metrics.geodesics import geodesics\n"
        "import metrics.stability, metrics.distortion, metrics.taylor\n"
        "decoder = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 9))\n"
        "assert geodesics(decoder, *torch.randn(2, 3, 2), through=torch.randn(40, 2)).length.isfinite().all()\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_kernels_are_timed_where_the_application_has_none_of_its_libraries(tmp_path):
    """As on a machine with an accelerator."""
    program = BARE + (
        "from pathlib import Path\nfrom rich.console import Console\nfrom bench.kernels import cases\n"
        "from bench.kernels.command import time_kernels\ncases.QUICK_SHAPES = ((100, 2),)\n"
        "assert time_kernels('cpu', Path('out'), ['jvp'], 0.01, Console(), quick=True, quiet=True) == 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "kernels.parquet").is_file() and not (tmp_path / "out" / "mlflow.db").exists()
