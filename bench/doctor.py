"""What is wrong with an installation, and what to do about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Literal

from bench.errors import BadInputError
from bench.packages import foreign_packages
from bench.record.ledger import FOLDER, locked
from bench.record.provenance import hardware, usable_cores, versions
from bench.suite import listing, registry

_MIN_FREE_GB = 1.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at. 'wrong' needs a fix, 'note' may explain a surprise."""

    what: str
    status: Literal["ok", "note", "wrong"]
    detail: str
    fix: str = ""


def examine(runs: Path) -> list[Finding]:
    """Everything the doctor looks at, with the result folders under `runs`."""
    return [*_libraries(), *_machine(), *_threads(), *_packages(), *_plugins(), *_data(), *_folders(runs)]


def _libraries() -> Iterator[Finding]:
    for name, number in versions().items():
        absent = number == "absent"
        yield Finding(name, "wrong" if absent else "ok", number, f"pip install {name}" if absent else "")


def _machine() -> Iterator[Finding]:
    facts = hardware(ask_torch=True)
    yield Finding("hardware", "ok", ", ".join(f"{name} {value}" for name, value in facts.items()))
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    short = free < _MIN_FREE_GB
    yield Finding(
        "free disk",
        "wrong" if short else "ok",
        f"{free:.1f} GB",
        "make room, results go to runs/" if short else "",
    )


def _threads() -> Iterator[Finding]:
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        if variable in os.environ:
            yield Finding(variable, "note", f"{os.environ[variable]}; workers set their own", "")
    yield Finding("cores", "ok", f"{usable_cores()}: at most as many workers by default")


def _packages() -> Iterator[Finding]:
    for name, place in foreign_packages().items():
        yield Finding(f"package {name}", "wrong", f"imported from {place}", "use an environment of its own")
    if any(distribution.metadata["Name"] == "datasets" for distribution in distributions()):
        yield Finding(
            "package datasets",
            "wrong",
            "Hugging Face's `datasets` is installed beside ours",
            "pip uninstall datasets",
        )


def _plugins() -> Iterator[Finding]:
    for kind in registry.KINDS:
        for entry in listing.entries(kind):
            if entry.origin == "built-in":
                continue
            try:
                registry.load(kind, entry.name)
                yield Finding(f"{kind} {entry.name}", "ok", entry.origin)
            except BadInputError as error:
                yield Finding(f"{kind} {entry.name}", "wrong", str(error), f"mend or uninstall {entry.origin}")


def _data() -> Iterator[Finding]:
    from datasets.files import VARIABLE, cache_folder, data_folder

    try:
        folder = data_folder()
        where = f"{VARIABLE}={folder}" if folder else f"downloads go to {cache_folder()}"
        yield Finding("data", "ok", where)
    except FileNotFoundError as error:
        yield Finding("data", "wrong", str(error), f"unset {VARIABLE} or point it at a folder")


def _folders(runs: Path) -> Iterator[Finding]:
    for out in sorted(runs.glob("*")):
        if not (out / FOLDER).is_dir():
            continue
        try:
            with locked(out):
                pass
        except BadInputError:
            yield Finding(str(out), "note", "a bench run is using it now")
            continue
        results = out / "results.parquet"
        newest = max((path.stat().st_mtime for path in (out / FOLDER).glob("*.jsonl")), default=0.0)
        complete = results.is_file() and results.stat().st_mtime >= newest
        yield Finding(
            str(out), "ok" if complete else "note",
            "complete" if complete else "a run began here and did not end",
            "" if complete else f"bench run --out {out}",
        )  # fmt: skip
