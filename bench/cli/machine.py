"""Commands on the machine: timings of kernels, and what is wrong with an installation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import FAILED, INTERRUPTED, Device, Json, app, console, leave, show


@app.command()
def kernels(
    device: Annotated[Device, typer.Option(help="What to time.")] = Device.auto,
    out: Annotated[Path, typer.Option("--out", help="Result folder.")] = Path("runs/kernels"),
    only: Annotated[
        list[str] | None, typer.Option("--kernel", "-k", metavar="NAME", help="Only this one; may be given again.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One decoder, small batches, nothing compiled.")] = False,
    seconds: Annotated[float, typer.Option(min=0.01, help="To spend on each case; five rounds at least.")] = 0.5,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Plain lines in place of a progress bar.")] = False,
) -> None:
    """Time JVP, VJP, Jacobian, pullback metric, distortion step and geodesic energy, each in all its forms.

    Each form's values are checked against double precision first. Exit code 1 if one was wrong or failed.
    """
    from bench.kernels.command import time_kernels

    try:
        failed = time_kernels(device.value, out, only or (), seconds, console(), quick=quick, quiet=quiet)
    except KeyboardInterrupt:
        sys.stderr.write("bench: interrupted; what had been timed is written\n")
        raise typer.Exit(INTERRUPTED) from None
    leave(FAILED if failed else 0)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check versions, devices, threads, plug-ins and stale runs, and say what to fix.

    Exit code 1 if something is wrong.
    """
    from bench.doctor import examine

    findings = examine(Path("runs"))
    show([vars(finding) for finding in findings], ("what", "status", "detail", "fix"), as_json)
    leave(FAILED if any(finding.status == "wrong" for finding in findings) else 0)
