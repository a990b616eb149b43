"""The application that commands are registered with, and what they share: options, printing, exit codes.

Each command is a thin layer: parse, call, print, exit code.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    name="bench",
    help="Compare representation-learning methods by the geometry of what they learn.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


class Device(StrEnum):
    """Where networks train."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def console() -> Console:
    """The terminal; a pipe has no width: what reads it, a log or a mail, has that of a narrow one."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 80)


def show(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[str],
    as_json: bool,
    title: str = "",
    fold: dict[str, Callable[[dict[str, Any]], str]] | None = None,
) -> None:
    """Print rows as a table, or as JSON with all their keys."""
    if as_json:
        print_json(rows)
        return
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[(fold or {}).get(column, lambda row, c=column: str(row[c]))(row) for column in columns])
    Console(file=sys.stdout, markup=False, highlight=False, width=None if sys.stdout.isatty() else 160).print(
        table, markup=False
    )


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")


def leave(code: int) -> None:
    """End the command with an exit code."""
    if code:
        raise typer.Exit(code)


def names_of(text: str) -> tuple[str, ...]:
    """What is between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
