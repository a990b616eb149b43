"""report.html: one self-contained page, nothing of it from the network, the same bytes for the same content."""

from __future__ import annotations

import base64
import io
import json
import re
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from reports import claims
from reports.across_tables import LEGEND as ACROSS_LEGEND
from reports.across_tables import across_tables, conclusions
from reports.axes import axis_columns
from reports.content import Content
from reports.entries import LEGEND, MARKS, in_full, in_short
from reports.headline import columns, how_coded
from reports.kernels import LEGEND as KERNEL_LEGEND
from reports.kernels import kernel_tables
from reports.leaderboard import Board, Entry
from reports.limits import known_limits
from reports.notes import notes
from reports.provenance import commit, reached, time_spent
from reports.samples import COLLAPSED
from reports.stability import LEGEND as STABILITY_LEGEND
from reports.stability import stability_tables
from reports.tradeoff import matched
from reports.tradeoff_tables import LEGEND as FRONT_LEGEND
from reports.tradeoff_tables import front_table, matched_table

# Pixels; what is shown larger than a screen is scaled down.
_WIDEST = 1_600
# A WebP's longest side.
_MOST_PIXELS = 16_383
_QUALITY = 85


def page(content: Content, out: Path) -> str:
    """The whole page.

    Args:
        out: the folder that pictures' paths are relative to.
    """
    names = {row.method: row.name for board in content.boards for row in board.rows}
    methods = list(names)
    return _environment().get_template("report.html").render(
        embedded=partial(_embedded, out),
        content=content,
        marks=MARKS,
        methods=methods,
        names=names,
        axes=axis_columns(methods),
        apart=how_coded(content.boards),
        claims=claims.table(content.claims) if content.claims else [],
        claims_say=claims.said(content.claims, content.runs),
        legends={
            "boards": LEGEND, "across": ACROSS_LEGEND, "fronts": FRONT_LEGEND, "stability": STABILITY_LEGEND,
            "kernels": KERNEL_LEGEND,
        },
        across=across_tables(content.ranks, sorted(methods)) if content.ranks else [],
        conclusions=conclusions(content.ranks) if content.ranks else [],
        stability=stability_tables(content.frame),
        kernels=kernel_tables(content.kernels[0]) if content.kernels else {},
        limits=list(known_limits(content.boards, content.runs)),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """The templates with what they call; compiled once."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(marked_up=marked_up, short_json=_json)
    environment.globals.update(
        cell=_cell, columns=columns, notes=notes, front_table=front_table, matched=matched, matched_table=matched_table,
        commit=commit, time_spent=time_spent, reached=reached, seconds=_seconds,
    )  # fmt: skip
    return environment


def marked_up(text: Any) -> Markup:
    """Text with the few marks of our own tables, **bold**, ~~struck~~ and `code`; all else stays text."""
    safe = str(escape(str(text).replace("\\|", "|")))
    for pattern, tag in ((r"\*\*(.+?)\*\*", "strong"), (r"~~(.+?)~~", "s"), (r"`([^`]+)`", "code")):
        safe = re.sub(pattern, rf"<{tag}>\1</{tag}>", safe)
    return Markup(safe)


def _cell(board: Board, name: str, entry: Entry) -> dict[str, Any]:
    """What a table shows of a score: its text, mark and class, all of it on asking, and what it is sorted by."""
    value, mark = in_short(entry)
    kind = "best" if entry.best else "lost" if entry.status.endswith(COLLAPSED) else "" if entry.ranked else "unranked"
    where = f"{board.column(name)} on {board.dataset}: {in_full(entry)}"
    said = "; ".join(filter(None, [where, MARKS.get(mark, ""), entry.reason]))
    sort = "" if entry.estimate is None else repr(entry.estimate.mean)
    return {"value": value, "mark": mark, "kind": kind, "said": said, "sort": sort, "full": in_full(entry)}


def _embedded(out: Path, path: str) -> str:
    """A picture as part of the page, from a small one that is made of it once and kept beside it."""
    large = out / path
    small = large.with_suffix(".webp")
    if not small.is_file() or small.stat().st_mtime_ns < large.stat().st_mtime_ns:
        partial = small.with_name(f"{small.name}.partial")
        partial.write_bytes(_shrunk(large))
        partial.replace(small)
    return f"data:image/webp;base64,{base64.b64encode(small.read_bytes()).decode()}"


def _shrunk(path: Path) -> bytes:
    """A picture at most as wide as a screen, as WebP."""
    with Image.open(path) as picture:
        shown = picture.convert("RGB")
    scale = min(1, _WIDEST / shown.width, _MOST_PIXELS / shown.height)
    if scale < 1:
        size = max(1, round(shown.width * scale)), max(1, round(shown.height * scale))
        shown = shown.resize(size, Image.Resampling.LANCZOS)
    found = io.BytesIO()
    shown.save(found, "WEBP", quality=_QUALITY, method=1)
    return found.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
