"""Peak memory of a stretch of work in this process."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class PeakMemory:
    """Peak resident memory since this was made. Where the system cannot reset its mark, since the process began."""

    def __init__(self) -> None:
        try:
            _CLEAR.write_text("5")
            self._resettable = True
        except OSError:
            self._resettable = False

    def megabytes(self) -> float:
        if self._resettable:
            for line in _STATUS.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1_024 / 1e6
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak * 1_024 / 1e6
