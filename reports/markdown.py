"""report.md: what was found, how sure it is, and what made it; report.html has all of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from reports import claims
from reports.across_tables import LEGEND as ACROSS_LEGEND
from reports.across_tables import across_tables, conclusions
from reports.causes import Cause, cell_statuses
from reports.content import Content, FrontPicture, Picture
from reports.entries import LEGEND, MARKS, in_full, in_short
from reports.frames import in_order, of_models
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


def report(content: Content) -> str:
    """The report in short: what is looked at first comes first."""
    return "\n\n".join(filter(None, _parts(content))) + "\n"


def _parts(content: Content) -> Iterator[str]:
    boards, runs = content.boards, content.runs
    yield f"# {_text(content.name)}"
    yield _text(content.summary)
    if content.verdict:
        yield _list(content.verdict)
    if content.claims:
        yield from ("## Claims", *claims.said(content.claims, runs), claims_table(content.claims))
    for board in boards:
        yield headline_table(board, content.headline)
    if boards:
        used = "; ".join(f"`{mark}` {meaning}" for mark, meaning in MARKS.items())
        yield f"{used}. {_text(how_coded(boards))}".strip()
    yield from map(_picture, content.embeddings)
    if content.failures:
        yield from ("## What failed", "\n".join(map(_cause, content.failures)))
    if boards:
        yield from ("## Leaderboards", LEGEND)
    for board in boards:
        yield from (f"### {_text(board.dataset)}", leaderboard(board))
    if content.ranks:
        yield from ("## Over all data sets", ACROSS_LEGEND, _ranks(content))
    if content.fronts:
        yield from ("## Trade-offs", FRONT_LEGEND, *map(_front, content.fronts))
    yield from _tables("## Distances over retrained models", STABILITY_LEGEND, stability_tables(content.frame))
    if content.selections:
        yield from ("## Reported configurations", _selections(content.selections))
    yield from ("## Status", status_matrix(content.frame))
    limits = list(known_limits(boards, runs))
    if limits:
        yield from ("## What this report cannot say", _list(limits))
    if runs:
        yield from ("## How this was made", _provenance(runs))
    yield _more(content)


def claims_table(found: Sequence[claims.Judged]) -> str:
    """Claims, their sources and published figures, what was found, and the verdicts."""
    head, *rows = claims.table(found)
    return markdown_table([head, ["---"] * len(head), *([_text(cell) for cell in row] for row in rows)])


def headline_table(board: Board, headline: Sequence[str]) -> str:
    """One data set's headline metrics: values with one mark each."""
    names = list(columns(board, headline))
    lines = [[_text(board.dataset), *map(board.column, names)], ["---"] * (len(names) + 1)]
    lines += [[_text(row.name), *(_short(row.entries[name]) for name in names)] for row in board.rows]
    return markdown_table(lines)


def _short(entry: Entry) -> str:
    value, mark = in_short(entry)
    # ~ would strike out what stands between two of them.
    shown = value.replace("~", "\\~") + mark
    return f"**{shown}**" if entry.best else shown


def leaderboard(board: Board) -> str:
    """One data set's table in markdown, and what has to be known to read it."""
    costs = ["fit s", "decoder s", "stack", *(["trials", "tuning s"] if board.how else [])]
    header = ["method", "decoder", *map(board.column, board.metrics), *costs, "seeds"]
    lines = [header, ["---"] * len(header)]
    for row in board.rows:
        cells = [_score(row.entries[name]) for name in board.metrics]
        mark = " (train)" if row.split == "train" else ""
        cost = [_seconds(row.fit_seconds), _seconds(row.decoder_seconds), str(row.stack_size)]
        cost += [str(row.trials or "–"), _seconds(row.tune_seconds)] if board.how else []
        lines.append([_text(row.name) + mark, row.decoder, *cells, *cost, str(row.n_seeds)])
    return "\n\n".join(filter(None, [markdown_table(lines), _list(notes(board))]))


def _score(entry: Entry) -> str:
    """'**0.123 [0.12, 0.13] =**', '~~1.04~~ collapsed', or why there is no value."""
    text = in_full(entry)
    if entry.estimate is None:
        return text
    if entry.status == COLLAPSED:
        return f"~~{text}~~ {entry.status}"
    if not entry.ranked:
        return f"{text} ({entry.status})"
    return f"**{text}{' =' if entry.mark == '=' else ''}**" if entry.best else text


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _picture(picture: Picture) -> str:
    return f"![{_text(picture.alt)}]({picture.path})\n\n*{_text(picture.title)}*"


def _cause(cause: Cause) -> str:
    where = ", ".join(cause.cells)
    said = f"- {cause.method}: {len(cause.cells)} × **{cause.status}** {_text(cause.reason)}"
    return f"{said} ({_text(where)})"


def _ranks(content: Content) -> str:
    methods = in_order(row.method for board in content.boards for row in board.rows)
    return f"{markdown_table(across_tables(content.ranks, methods))}\n\n{_list(conclusions(content.ranks))}".strip()


def _front(front: FrontPicture) -> str:
    tables = [markdown_table(front_table(front.tradeoff))]
    found = matched(front.tradeoff)
    if found is not None:
        said, lines = matched_table(found)
        tables += [said, markdown_table(lines)]
    return "\n\n".join([f"### {_text(front.picture.title)}", _picture(front.picture), *tables])


def _tables(title: str, legend: str, tables: Mapping[str, Sequence[Sequence[str]]]) -> Iterator[str]:
    if tables:
        yield from (title, legend)
    for name, lines in tables.items():
        yield from (f"### {_text(name)}", markdown_table(lines))


def _more(content: Content) -> str:
    """What report.html has beside this."""
    there = {
        "every seed as a point": content.seeds, "distances and ranks": content.distances,
        **{picture.title.lower(): [picture] for picture in content.pictures},
        "pictures of each model": content.galleries, "what each method is and was run with": content.cards,
        "timings of kernels": content.kernels,
    }  # fmt: skip
    named = [name for name, shown in there.items() if shown]
    return f"[report.html](report.html) has more: {', '.join(named)}." if named else ""


def kernel_section(frame: pd.DataFrame, picture: Picture) -> Iterator[str]:
    """Timings of kernels: legend, plot, and a table for each kernel."""
    yield from _tables("## Kernels", f"{KERNEL_LEGEND}\n\n{_picture(picture)}", kernel_tables(frame))


def status_matrix(frame: pd.DataFrame) -> str:
    """Methods by data sets: how many cells ended with which status."""
    if frame.empty:
        return "No cell has been run."
    cells = cell_statuses(of_models(frame))
    datasets = in_order(cells["dataset"])
    counts: dict[tuple[str, str], Counter[str]] = {}
    for method, dataset, status in zip(cells["method"], cells["dataset"], cells["cell_status"], strict=True):
        counts.setdefault((method, dataset), Counter())[status] += 1
    lines = [["method", *datasets], ["---"] * (len(datasets) + 1)]
    for method in in_order(cells["method"]):
        here = [sorted(counts.get((method, dataset), Counter()).items()) for dataset in datasets]
        lines.append([_text(method), *(", ".join(f"{n} {status}" for status, n in found) or "–" for found in here)])
    return markdown_table(lines)


def _selections(selections: Sequence[Mapping[str, Any]]) -> str:
    lines = [["data set", "method", "chosen by", "on tuning seeds", "parameters"], ["---"] * 5]
    for choice in selections:
        said = [_text(choice[name]) for name in ("dataset", "method", "note")]
        lines.append([*said, reached(choice), _code(json.dumps(choice["params"], sort_keys=True))])
    return markdown_table(lines)


def _provenance(runs: Sequence[Mapping[str, Any]]) -> str:
    last = runs[-1]
    commits = in_order(map(commit, runs))
    versions = ", ".join(f"{name} {number}" for name, number in last["versions"].items())
    hardware = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in last["hardware"].items())
    data = "\n".join(f"  - {name}: `{content}`" for name, content in last["data"].items())
    spent = time_spent(runs)
    return (
        f"- Command: `{last['command']}`\n- Started: {last['started_at']} (run {len(runs)} of this folder)\n"
        f"{f'- Time: {spent}' + chr(10) if spent else ''}"
        f"- Workers: {last['n_workers']} processes, {last['threads']} threads each; device {last['device']}\n"
        f"- Commit: {', '.join(commits)}\n- Hardware: {hardware}\n"
        f"- Versions: {versions}\n- Data, by content hash:\n{data}\n\n"
        "<details><summary>bench.toml of the last run</summary>\n\n"
        f"```toml\n{last['config'].strip()}\n```\n\n</details>"
    )


def _text(text: Any) -> str:
    """The first line of a text, as text: neither a table's bar nor HTML."""
    return re.sub(r"<(?=[\w/!?])", "&lt;", str(text).partition("\n")[0]).replace("|", "\\|")


def _code(text: str) -> str:
    """A text as code, whatever is in it."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {_text(sentence)}" for sentence in sentences)


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
