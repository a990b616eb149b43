from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.plan.jobs import Job, Setting, job_from_json, job_to_json
from bench.record.cells import Cell
from bench.record.entries import records_of
from bench.record.records import Record, Score
from bench.suite.canonical import digest
from bench.suite.data import DatasetSpec
from bench.suite.metrics import metric_choice

SPEC = DatasetSpec("roll", "swiss_roll", {"n": 100, "noise": 0.1}, "abc")
CELL = Cell("final", SPEC, "irvae", "irvae", {"latent_dim": 2, "iso_reg": 1.0}, 3)


def test_ids_do_not_depend_on_the_order_of_parameters():
    permuted = Cell("final", SPEC, "irvae", "irvae", {"iso_reg": 1.0, "latent_dim": 2}, 3)
    assert permuted.id == CELL.id and permuted.config_id == CELL.config_id


@pytest.mark.parametrize(
    "other",
    [
        Cell("tune", SPEC, "irvae", "irvae", CELL.params, 3),
        Cell("final", SPEC, "irvae", "irvae", CELL.params, 4),
        Cell("final", SPEC, "irvae", "irvae", {"latent_dim": 3, "iso_reg": 1.0}, 3),
        Cell("final", DatasetSpec("roll", "swiss_roll", SPEC.params, "abd"), "irvae", "irvae", CELL.params, 3),
        Cell(
            "final",
            DatasetSpec("roll", "swiss_roll", {"n": 101, "noise": 0.1}, "abc"),
            "irvae",
            "irvae",
            CELL.params,
            3,
        ),
    ],
)
def test_ids_depend_on_all_that_determines_the_result(other):
    assert other.id != CELL.id


def test_ids_are_those_of_the_whole_cell_written_at_once():
    """Results of older ledgers are found by them."""
    assert CELL.id == digest(CELL) == "aa2e2b7fc5dcd633"
    assert CELL.config_id == digest({"method": "irvae", "target": "irvae", "params": CELL.params})


def test_config_id_does_not_depend_on_seed_phase_or_data():
    other = Cell("tune", DatasetSpec("x", "digits", {}, "z"), "irvae", "irvae", CELL.params, 9)
    assert other.config_id == CELL.config_id


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True, allow_infinity=True))
def test_records_survive_json_also_with_nan_and_infinity(first, second):
    record = Record(
        suite="s", cell=CELL, status="diverged", requested=("mcn",),
        intermediate=((4, first), (8, second)), scores=(Score("mcn", "mcn", "test", None, "lower", "n/a", "why"),),
    )  # fmt: skip
    again = records_of([record.to_json()])[0]
    assert again.cell == record.cell and again.scores == record.scores and again.cell.id == CELL.id
    for before, after in ((first, again.intermediate[0][1]), (second, again.intermediate[1][1])):
        assert after == before or (math.isnan(before) and math.isnan(after))


def test_jobs_survive_json():
    job = Job((CELL, CELL), (metric_choice("mcn", Path()),), "test", Setting("/r", "/o", "cpu", 10.0, 10**9))
    assert job_from_json(job_to_json(job)) == job
    assert [len(half.cells) for half in job.halves()] == [1, 1]


def test_digest_refuses_what_has_no_canonical_form():
    with pytest.raises(ValueError):
        digest({"a": float("nan")})
