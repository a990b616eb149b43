"""The command line as one call."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

# Commands are registered as their modules are imported, and listed in this order.
from bench.cli import suites  # isort: skip
from bench.cli import components, machine
from bench.cli.app import BAD_INPUT, app
from bench.errors import BadInputError

__all__ = ["components", "machine", "run_command_line", "suites"]


# The disk is full, a quota is used up, it has become read-only, or it fails.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def run_command_line(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process: 0 fine, 1 a cell failed, 2 bad input, 130 interrupted."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    # Whatever the user's mask: not everybody may write into results.
    os.umask(os.umask(0o022) | 0o002)
    try:
        app(args=arguments)
    except BadInputError as error:
        sys.stderr.write(f"bench: {' '.join(str(error).split())}\n")
        raise SystemExit(BAD_INPUT) from None
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(
            f"bench: {where}{error.strerror}; what had ended is kept: make room, then run the same again\n"
        )
        raise SystemExit(BAD_INPUT) from None
    raise SystemExit(0)
