"""What a person sees in a terminal of so many columns."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.conftest import SMALL_SUITE

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "LANG": "C", "LC_ALL": "C"}


def shown(folder: Path, columns: int, *arguments: str, **environment: str) -> str:
    """All that a command writes to a terminal from a folder."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "bench", *arguments],
        cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )  # fmt: skip
    os.close(theirs)
    found = bytearray()
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # on Linux the end of a terminal whose other side is closed
            break
        if not part:
            break
        found += part
    os.close(ours)
    assert process.wait() == 0, found.decode(errors="replace")
    return found.decode("utf-8")


@pytest.mark.parametrize(
    ("columns", "environment"),
    [
        (80, {}),
        pytest.param(160, {}, marks=pytest.mark.slow),
        pytest.param(80, PLAIN, marks=pytest.mark.slow),
    ],
    ids=["80", "160", "80 plain"],
)
def test_the_leaderboard_fits_and_names_its_methods_in_full(finished, columns, environment):
    folder = finished(SMALL_SUITE.replace("[methods.ae]", '[methods.a-method-of-a-rather-long-name]\ntarget = "ae"'))
    written = shown(folder.parent, columns, "run", "--out", "out", **environment)
    lines = _ESCAPES.sub("", written).replace("\r\n", "\n").replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert "a-method-of-a-rather-long-name" in text and "pca" in text and "mcn" in text
    assert "report.html" in text and "bench ui" not in text
    assert ("\x1b[" in written) is not bool(environment)
