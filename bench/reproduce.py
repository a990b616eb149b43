"""`bench reproduce`: the published protocol of a system, and a verdict on each of its claims.

A protocol is a suite file in `protocols/` with claims, and with tables `small` and `paper` that are laid over its own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from bench.commands import run_suite
from bench.errors import BadInputError
from bench.record.ledger import Ledger
from bench.report import claims_of
from bench.suite.config import Suite, suite_from

if TYPE_CHECKING:
    from rich.console import Console

    from bench.running.coordinator import Options

PROTOCOLS = Path(__file__).parent / "protocols"
PAGE = "claims.md"
ALL = "all"
# The files of each system.
SYSTEMS: Mapping[str, tuple[str, ...]] = {
    "irvae": ("irvae",),
    "nrae": ("nrae-sincurve", "nrae-spiral", "nrae-rotated", "nrae-shifted"),
    "ensemble": ("ensemble-circle", "ensemble"),
    "metricvae": ("metricvae",),
    "cnnvae": ("cnnvae",),
    "across": ("across",),
}


# How much of a published protocol is run.
Scale = Literal["small", "paper"]


def reproduce(system: str, scale: Scale, out: Path, options: Options, console: Console, *, quiet: bool) -> int:
    """Run what is missing of a system's protocols, each in a folder of `out`, and write the claims of all there.

    Returns:
        How many cells have failed.

    Raises:
        BadInputError: there is no such system.
    """
    suites = [protocol(name, scale) for name in files_of(system)]
    failed = 0
    for suite in suites:
        console.print(f"{suite.name}: {len(suite.claims)} claims", highlight=False)
        failed += run_suite(suite, out / suite.name, options, console, quiet=quiet)
    page = claims_page([path.parent for path in sorted(out.glob("*/ledger"))])
    (out / PAGE).write_text(page, encoding="utf-8")
    console.print(f"All claims: {out / PAGE}", soft_wrap=True, highlight=False)
    return failed


def files_of(system: str) -> Sequence[str]:
    """The names of a system's protocols, or of all.

    Raises:
        BadInputError: there is no such system.
    """
    if system == ALL:
        return [name for names in SYSTEMS.values() for name in names]
    if system not in SYSTEMS:
        raise BadInputError(f"unknown system {system!r}; known are {', '.join(SYSTEMS)} and {ALL}")
    return SYSTEMS[system]


def protocol(name: str, scale: Scale) -> Suite:
    """The suite of a protocol at a scale, NAME-SCALE."""
    path = PROTOCOLS / f"{name}.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    overlays = {each: tables.pop(each, {}) for each in get_args(Scale)}
    tables = laid_over(tables, overlays[scale])
    return suite_from(path, {**tables, "suite": f"{name}-{scale}"})


def laid_over(tables: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Tables with the keys of an overlay in place of their own, table by table; its claims come after theirs."""
    found = dict(tables)
    for key, value in overlay.items():
        if isinstance(value, Mapping) and isinstance(found.get(key), Mapping):
            found[key] = laid_over(found[key], value)
        else:
            found[key] = [*found.get(key, ()), *value] if key == "claims" else value
    return found


def claims_page(folders: Sequence[Path]) -> str:
    """All claims of some result folders, with what they were judged by, as markdown."""
    from reports import claims
    from reports.markdown import claims_table
    from reports.provenance import commit, time_spent

    judged = {}
    parts = []
    for folder in folders:
        ledger = Ledger(folder)
        found = claims_of(ledger, folder)
        if not found or not ledger.runs:
            continue
        run = ledger.runs[-1]
        judged[folder] = found
        hardware = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in run["hardware"].items())
        made = f"Started {run['started_at']} by `{run['command']}`; {time_spent(ledger.runs)}. Commit {commit(run)}."
        made += f" {hardware}. Device {run['device']}."
        said = [f"{claims.summary(found)} {made}", *claims.said(found, ledger.runs)[1:]]
        parts.append("\n\n".join([f"## {folder.name}", *said, claims_table(found)]))
    total = claims.summary([one for found in judged.values() for one in found])
    return "\n\n".join([f"# Claims\n\n{total} {claims.LEGEND}", *parts]) + "\n"
