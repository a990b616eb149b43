"""The command: time all cases of a device, say how it goes, write what was found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

# Before torch is imported: its profiler, which counts memory, announces itself otherwise.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")

from rich.markup import escape

from bench.errors import BadInputError, nearest
from bench.record.links import refuse_links
from bench.track.progress import Display
from methods.training.device import choose_device

if TYPE_CHECKING:
    from rich.console import Console

    from bench.kernels.session import Row


def time_kernels(
    device: str, out: Path, only: Sequence[str], seconds: float, console: Console, *, quick: bool, quiet: bool
) -> int:
    """Time what is asked for and write it; how many cases failed or gave wrong values.

    Raises:
        KeyboardInterrupt: it was interrupted; what had been timed by then is written.
        BadInputError: a kernel is unknown, the device is not there, the folder cannot be written, or pytest-benchmark
            is not installed.
    """
    import torch

    from bench.kernels.cases import cases
    from bench.kernels.forms import KERNELS

    for name in only:
        if name not in KERNELS:
            raise BadInputError(f"--kernel: unknown kernel {name!r}; {nearest(name, KERNELS)}")
    chosen = _device(device)
    refuse_links(out)
    try:
        from bench.kernels import results, session
    except ModuleNotFoundError as error:
        raise BadInputError(f"bench kernels needs {error.name}; pip install pytest-benchmark") from error
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"--out {out}: cannot be written to: {error.strerror}") from error
    planned = cases(chosen, quick=quick, kernels=only)
    with Display(console, quiet=quiet, unit="kernels") as display:
        display.expect(len(planned))
        ceiling = session.ceiling(chosen)
        display.say(f"{chosen}, {torch.get_num_threads()} threads; ceiling {ceiling / 1e9:.0f} GFLOP/s")
        rows = session.run(planned, chosen, seconds, lambda row: display.step(_line(row)))
    for file in results.write(out, rows, ceiling, chosen, torch.get_num_threads()):
        console.print(str(file), highlight=False, soft_wrap=True)
    if len(rows) < len(planned):
        raise KeyboardInterrupt
    return sum(row["status"] in ("wrong", "failed") for row in rows)


def _device(device: str) -> str:
    try:
        return choose_device(device).type
    except ValueError as error:
        raise BadInputError(f"--device: {error}") from error


def _line(row: Row) -> str:
    where = f"{row['kernel']:<29} {row['decoder']:<10} {row['batch']:>6} x {row['latent']:<4} {row['form']:<19}"
    if row["precision"] != "float32":
        where += f" {row['precision']}"
    if row["status"] != "ok":
        return f"[yellow]![/] {escape(where)} {row['status']}: {escape(row['reason'])}"
    return f"[green]✓[/] {escape(where)} {1e3 * row['seconds']:10.3f} ms"
