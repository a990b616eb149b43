"""The command line as one call."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

# Commands are registered as their modules are imported, and listed in this order.
from bench.cli import suites  # isort: skip
from bench.cli import components, machine
from bench.cli.app import BAD_INPUT, app
from bench.errors import BadInputError

__all__ = ["components", "machine", "run_command_line", "suites"]


def run_command_line(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process: 0 fine, 1 a cell failed, 2 bad input, 130 interrupted."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        app(args=arguments)
    except BadInputError as error:
        sys.stderr.write(f"bench: {' '.join(str(error).split())}\n")
        raise SystemExit(BAD_INPUT) from None
    raise SystemExit(0)
