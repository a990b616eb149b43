"""Where a person finds a store's runs once MLflow's server is up; as a program, opens one of these pages."""

from __future__ import annotations

import sqlite3
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import closing
from pathlib import Path

from bench.track.views import TAG, address, view_key

_PATIENCE = 60.0


def addresses(database: Path, port: int) -> dict[str, str]:
    """The pages to open, by what they show: each data set's view of each suite, else the suites, else MLflow."""
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            suites = connection.execute(
                "SELECT experiment_id, name FROM experiments WHERE experiment_id != 0 AND lifecycle_stage = 'active'"
            ).fetchall()
            tags = connection.execute("SELECT experiment_id, key FROM experiment_tags").fetchall()
    except sqlite3.Error:
        suites, tags = [], []
    prefix = TAG + view_key("")
    found = {
        f"{name}, {key.removeprefix(prefix)}": address(port, str(experiment), key.removeprefix(prefix))
        for experiment, name in suites
        for owner, key in tags
        if owner == experiment and key.startswith(prefix)
    }
    found = found or {str(name): address(port, str(experiment), None) for experiment, name in suites}
    return found or {"MLflow": f"http://127.0.0.1:{port}/"}


def open_when_served(page: str, port: int) -> None:
    """Open a page in the browser as soon as the server answers."""
    ends = time.monotonic() + _PATIENCE
    while time.monotonic() < ends:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            webbrowser.open(page)
            return


if __name__ == "__main__":
    open_when_served(sys.argv[1], int(sys.argv[2]))
