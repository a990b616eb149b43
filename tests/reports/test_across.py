from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from reports.across import rankings
from reports.across_tables import across_tables, conclusions, critical_difference
from reports.frames import results_frame
from reports.leaderboard import boards
from tests.reports.test_reports import row


def ranked(values, better="lower", **statuses):
    """Rankings of scores by method and data set."""
    rows = [
        row(method, f"d{at:02}", seed, value=value, better=better, status=statuses.get(f"{method}{at}", "ok"))
        for method, of_datasets in values.items()
        for at, value in enumerate(of_datasets)
        for seed in (0, 1)
    ]  # fmt: skip
    return rankings(boards(results_frame(rows), set()))


def test_mean_ranks_are_of_the_data_sets_and_ties_share_theirs():
    (found,) = ranked({"a": [1, 1, 3], "b": [2, 2, 2], "c": [2, 3, 1]})
    assert {s.method: s.ranks for s in found.standings} == {"a": (1, 1, 3), "b": (2.5, 2, 2), "c": (2.5, 3, 1)}
    assert [s.method for s in found.standings] == ["a", "b", "c"]
    assert all(s.low is None for s in found.standings) and found.friedman is None
    (upside_down,) = ranked({"a": [1, 1, 3], "b": [2, 2, 2], "c": [2, 3, 1]}, better="higher")
    assert {s.method: s.ranks for s in upside_down.standings}["a"] == (3, 3, 1)


def test_who_is_not_ranked_everywhere_moves_no_rank():
    (found,) = ranked({"a": [1, 1], "b": [2, 2], "c": [0.1, 0.1]}, c1="collapsed")
    assert {s.method: s.ranks for s in found.standings} == {"a": (1, 1), "b": (2, 2)}
    assert found.left_out == ("c",)
    table = across_tables([found], ["a", "b", "c"])
    assert table[0][2:4] == ["a", "b"] and table[2][-1] == "c"


def test_of_few_data_sets_it_is_said_what_cannot_be_concluded():
    (found,) = ranked({"a": [1, 1, 1], "b": [2, 2, 2]})
    assert "Of 3 data sets nothing is concluded about others" in conclusions([found])[0]
    assert across_tables([found], ["a", "b"])[2][2] == "1.0 (1 1 1)"


def test_one_data_set_or_one_method_makes_no_ranking():
    assert ranked({"a": [1], "b": [2]}) == [] and ranked({"a": [1, 2]}) == []


def test_many_data_sets_have_intervals_and_friedmans_test_as_scipy_has_it():
    rng = np.random.default_rng(0)
    values = {name: (rng.random(12) + shift).tolist() for name, shift in (("a", 0.0), ("b", 0.4), ("c", 2.0))}
    (found,) = ranked(values)
    assert found.friedman == pytest.approx(friedmanchisquare(*values.values()).pvalue)
    best = found.standings[0]
    assert best.method == "a" and best.low < best.mean < best.high and best.low >= 1 and best.high <= 3
    assert "differ (Friedman" in conclusions([found])[-1]
    assert found.next_best.other == "b" and found.next_best.better > found.next_best.worse
    assert critical_difference(found).axes


def test_the_best_is_practically_equal_to_what_differs_by_a_thousandth():
    base = np.linspace(1, 9, 9)
    (same,) = ranked({"a": base.tolist(), "b": (1.001 * base).tolist()})
    (apart,) = ranked({"a": base.tolist(), "b": (1.3 * base).tolist()})
    assert same.next_best.equal > 0.9 and apart.next_best.better > 0.95
    assert apart.next_best.better + apart.next_best.equal + apart.next_best.worse == pytest.approx(1)


def test_slow_imports_wait_until_they_are_needed():
    code = "import sys, reports.across, reports.across_tables; print({'autorank', 'baycomp'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
