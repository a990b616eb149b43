"""A process that does one part: python -m bench.gpu.child MODULE DEVICE SIZES ENTRIES.

It writes one line of JSON to the file ENTRIES for each row that it finds, and one at its end that says how it ended.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from bench.packages import FOLDERS

OK, FAILED, IMPOSSIBLE = "ok", "failed", "could not be done"


def do(module: str, device: str, sizes: dict[str, Any], entries: Path) -> str:
    """Do a part; how it ended."""
    with entries.open("a", encoding="utf-8") as file:

        def note(**entry: Any) -> None:
            file.write(json.dumps(entry) + "\n")
            file.flush()

        try:
            importlib.import_module(module).run(device, lambda row: note(row=row), **sizes)
            status, reason = OK, ""
        except Exception as error:
            traceback.print_exc()
            status, reason = _status(error), f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        note(status=status, reason=reason)
    return status


def _status(error: Exception) -> str:
    absent = isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] not in {"bench", *FOLDERS}
    return IMPOSSIBLE if absent else FAILED


if __name__ == "__main__":
    named, where, given, written = sys.argv[1:]
    raise SystemExit(do(named, where, json.loads(given), Path(written)) != OK)
