"""Names that sort in the order in which files were begun, whatever the clock does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

_FORM = "%Y%m%dT%H%M%S%f"
_STAMP = re.compile(r"\d{8}T\d{12}")


def next_stamp(*folders: Path) -> str:
    """The time; where a clock was set back, the moment after the last that a file of these folders is named by."""
    found = (_STAMP.match(path.name) for folder in folders for path in folder.glob("*"))
    last = max((stamp.group() for stamp in found if stamp), default="")
    now = datetime.now(UTC).strftime(_FORM)
    if now > last:
        return now
    return (datetime.strptime(last, _FORM).replace(tzinfo=UTC) + timedelta(microseconds=1)).strftime(_FORM)
