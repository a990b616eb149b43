"""What made a result: command, versions, hardware, git state."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = (
    "latentbench", "torch", "numpy", "scipy", "numba", "scikit-learn", "pandas", "pyarrow", "optuna", "mlflow",
    "umap-learn", "openTSNE", "matplotlib",
)  # fmt: skip


def git_state(folder: Path) -> tuple[str, bool]:
    """Commit and whether the work tree differs from it; ('', False) outside a repository."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return "", False


def source_state(root: Path) -> tuple[str, bool]:
    """Git state of the suite's folder, else of the folder that this package is in."""
    state = git_state(root)
    return state if state[0] else git_state(Path(__file__).resolve().parent)


def versions() -> dict[str, str]:
    """Version of Python and of each library, as installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def hardware(*, ask_torch: bool = False) -> dict[str, Any]:
    """Processor, cores, memory; with `ask_torch` also the accelerator, which imports torch."""
    import psutil

    found: dict[str, Any] = {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }
    if ask_torch:
        import torch

        cuda = torch.cuda.is_available()
        found["gpu"] = torch.cuda.get_device_name(0) if cuda else "none"
    return found


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def command_line() -> str:
    """The command that the user gave."""
    import shlex

    program = Path(sys.argv[0]).name
    return shlex.join([*(["python", "-m", "bench"] if program == "__main__.py" else [program]), *sys.argv[1:]])


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
