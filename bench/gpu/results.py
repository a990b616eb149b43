"""What a session leaves: gpu.json with all that was found, gpu.md with tables of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.gpu.session import Outcome, shown
from bench.record.provenance import hardware, source_state, versions


def facts(device: str) -> dict[str, Any]:
    """When, where and by what a session was made."""
    import torch

    machine = hardware(ask_torch=True)
    sha, dirty = source_state(Path(__file__).parent)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        # Without the folder, which is of one machine: the table is made to be published.
        "command": f"python -m bench.gpu --device {device}",
        "device": machine["gpu"] if device == "cuda" else f"CPU: {machine['processor']}, {machine['cores']} cores",
        "machine": machine,
        "torch": f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}",
        "versions": versions(),
        "commit": (sha or "unknown") + (" with uncommitted changes" if dirty else ""),
    }


def write(out: Path, known: Mapping[str, Any], outcomes: Sequence[Outcome]) -> list[Path]:
    """Write both files anew, with the outcomes so far."""
    found = {**known, "parts": [asdict(outcome) for outcome in outcomes]}
    files = [out / "gpu.json", out / "gpu.md"]
    for file, text in zip(files, (json.dumps(found, indent=1), _markdown(known, outcomes)), strict=True):
        file.write_text(text + "\n", encoding="utf-8")
    return files


def _markdown(known: Mapping[str, Any], outcomes: Sequence[Outcome]) -> str:
    lines = [f"- {name}: {known[name]}" for name in ("date", "command", "device", "torch", "commit")]
    lines.insert(4, f"- Python: {known['versions']['python']}, {known['machine']['platform']}")
    summary = [
        {"part": o.part.name, "outcome": o.status, "seconds": f"{o.seconds:.0f}", "why": o.reason} for o in outcomes
    ]
    parts = ["# GPU", "\n".join(lines), _table(summary)]
    for outcome in outcomes:
        if outcome.rows:
            parts += [f"## {outcome.part.title}", _table(outcome.rows)]
    return "\n\n".join(parts)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, ["---"] * len(columns)]
    cells += [[shown(row.get(name, "")).replace("|", "\\|") for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
