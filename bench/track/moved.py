"""A result folder that was moved takes its artifacts along: MLflow keeps their place as an absolute address."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def take_along(database: Path, artifacts: Path) -> None:
    """Let the store of a folder say where its artifacts are now; a database that cannot be read is left alone."""
    if not database.is_file():
        return
    here = artifacts.resolve().as_uri()
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
            places = [place for (place,) in connection.execute("SELECT artifact_location FROM experiments")]
            for place in places:
                if place and place.endswith(f"/{artifacts.name}") and place != here:
                    connection.execute(
                        "UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (here, place)
                    )
                    connection.execute(
                        "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
                        "WHERE substr(artifact_uri, 1, ?) = ?",
                        (here, len(place) + 1, len(place) + 1, f"{place}/"),
                    )
    except sqlite3.Error:
        return
