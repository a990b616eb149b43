"""What a session of timings leaves: kernels.parquet, kernels.md with its plot, and an MLflow run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bench.kernels.session import Row
from bench.record.provenance import command_line, hardware, source_state, versions
from reports.content import Picture
from reports.kernels import FILE, kernel_figure, kernel_frame
from reports.markdown import kernel_section

REPORT = "kernels.md"
FIGURE = "figures/kernels.png"
_ALT = "How many times faster than the published form each form is, by kernel and batch size."


def write(out: Path, rows: Sequence[Row], ceiling: float, device: str, threads: int) -> list[Path]:
    """Write frame, figure and report, and the MLflow run where MLflow is installed."""
    from reports.figures import save

    out.mkdir(parents=True, exist_ok=True)
    frame = kernel_frame(rows, ceiling)
    frame.to_parquet(out / FILE, index=False)
    save(kernel_figure(frame), out / FIGURE)
    facts = _provenance(ceiling, device, threads)
    lines = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    section = "\n\n".join(kernel_section(frame, Picture("Kernels", _ALT, FIGURE)))
    (out / REPORT).write_text(f"# Kernels\n\n{lines}\n\n{section}\n", encoding="utf-8")
    files = [out / FILE, out / REPORT, out / FIGURE]
    if _has_mlflow():
        _track(out, frame, facts, files)
    return files


def _has_mlflow() -> bool:
    try:
        import mlflow  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def _provenance(ceiling: float, device: str, threads: int) -> dict[str, str]:
    sha, dirty = source_state(Path.cwd())
    machine = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in hardware().items())
    return {
        "command": command_line(), "device": device, "threads": str(threads), "hardware": machine,
        "ceiling": f"{ceiling / 1e9:.0f} GFLOP/s in a large matrix product in single precision",
        "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "commit": sha + (" with uncommitted changes" if dirty else ""),
    }  # fmt: skip


def _track(out: Path, frame: pd.DataFrame, facts: Mapping[str, str], files: Sequence[Path]) -> None:
    """One MLflow run of the session: seconds and ratio of each case that was timed."""
    from bench.suite.metrics import KnownMetrics
    from bench.track.runs import Point, RunSpec, safe_key
    from bench.track.store import Store

    points = []
    for row in frame[frame["status"] == "ok"].to_dict("records"):
        parts = (row["kernel"], row["decoder"], f"d{row['latent']}", row["form"], row["precision"])
        name = safe_key("/".join(parts).replace(" ", "-"))
        points.append(Point(f"seconds/{name}", float(row["seconds"]), int(row["batch"])))
        if not pd.isna(row["ratio_to_published"]):
            points.append(Point(f"ratio/{name}", float(row["ratio_to_published"]), int(row["batch"])))
    store = Store("sqlite", "kernels", out, KnownMetrics())
    spec = RunSpec("kernels", None, "kernels", 0, 0, False, {"kind": "kernels"}, facts, points)
    store.put_run(spec)
    store.put_files(files, spec.key)
