from __future__ import annotations

from pathlib import Path

import pytest

from bench.terminal import causes_of, impossible, show
from tests.reports.test_page import content
from tests.reports.test_reports import row


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_leaderboard_fits_the_terminal_and_never_shortens_a_method(width, capsys):
    from rich.console import Console

    name = "a-method-of-a-long-name"
    metrics = ["knn_preservation", "relaxed_distortion", "mcn", "explained_variance", "stress", "trustworthiness"]
    rows = [row(m, seed=s, metric=k, value=0.5 + s) for m in (name, "b") for s in range(3) for k in metrics]
    show(content(rows), Console(width=width, force_terminal=False))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width and any(line.startswith(name) for line in lines)
    table = lines[: next(at for at, line in enumerate(lines) if line.startswith("* best"))]
    assert ("trustworthiness" in " ".join(table)) == (width == 160)
    assert not any("…" in line for line in lines)


def test_a_plan_says_each_reason_once_and_only_what_is_so():
    rows = [
        {"dataset": "a", "method": "m", "impossible": {"x": "no labels", "y": "no labels"}},
        {"dataset": "a", "method": "n", "impossible": {"x": "no labels", "y": "no labels", "z": "no decoder"}},
        {"dataset": "b", "method": "m", "impossible": {"x": "no labels"}},
        {"dataset": "b", "method": "n", "impossible": {"z": "no decoder"}},
    ]
    assert list(impossible(rows)) == [
        "impossible: x on a; of m on b: no labels",
        "impossible: y on a: no labels",
        "impossible: z of n on a, b: no decoder",
    ]


def test_a_status_says_each_cause_once():
    error = {"status": "failed", "method": "m", "dataset": "a", "phase": "final", "reason": "why", "traceback": ""}
    told = causes_of([{**error, "seed": 0}, {**error, "seed": 1, "traceback": "logs/x"}], Path("out"))
    assert list(told) == ["failed: m a final 0, a final 1: why (2 times)"]
