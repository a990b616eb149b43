"""MLflow's pages on a result folder's store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from bench.errors import BadInputError
from bench.record.links import refuse_links
from bench.track import pages
from bench.track.moved import take_along
from bench.track.places import ARTIFACTS, DATABASE

# Its workers for jobs would take most of a gigabyte for what nobody asked.
_QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def serve(out: Path, port: int, *, open_browser: bool) -> NoReturn:
    """Become MLflow's server of the folder's store on 127.0.0.1, having said where its methods are compared.

    Raises:
        BadInputError: the folder has no store, or a link out of it.
    """
    refuse_links(out)
    database = out / DATABASE
    if not database.is_file():
        raise BadInputError(f"{out}: has no {DATABASE}; `bench sync {out}` builds it from the ledger")
    take_along(database, out / ARTIFACTS)
    found = pages.addresses(database, port)
    sys.stdout.writelines(f"{name}: {address}\n" for name, address in found.items())
    sys.stdout.write("Ctrl-C ends the MLflow UI\n")
    sys.stdout.flush()
    if open_browser:
        subprocess.Popen([sys.executable, "-P", "-m", pages.__name__, next(iter(found.values())), str(port)])
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{database.resolve()}", "--workers", "1",
    ]  # fmt: skip
    os.execve(sys.executable, command, {**os.environ, **_QUIET})
