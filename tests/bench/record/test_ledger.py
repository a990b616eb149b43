from __future__ import annotations

from dataclasses import replace

import pytest

from bench.errors import BadInputError
from bench.record.cells import Cell
from bench.record.ledger import Ledger, locked, read
from bench.record.records import Record, Score
from bench.suite.data import DatasetSpec

SPEC = DatasetSpec("roll", "swiss_roll", {}, "abc")


def record(seed: int = 0, status="ok", metrics=("mcn",), value: float | None = 1.0, seconds: float = 1.0) -> Record:
    cell = Cell("final", SPEC, "pca", "pca", {}, seed)
    scores = tuple(Score(name, name, "test", value, "lower") for name in metrics)
    return Record("s", cell, status, tuple(metrics), scores=scores, fit_seconds=seconds)


def test_what_is_added_is_read_again(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.add([record(0), record(1)])
    ledger.select("roll", "pca", {"params": {}, "config_id": "c"})
    ledger.select("roll", "pca", {"params": {}, "config_id": "c"})
    ledger.start_run({"suite": "s"})
    again = Ledger(tmp_path)
    assert again.records == ledger.records and len(again.records) == 2
    assert again.selections == ledger.selections and again.runs == ledger.runs
    (path,) = tmp_path.glob("ledger/*.jsonl")
    assert path.read_text().count('"selection"') == 1


def test_a_line_torn_by_a_kill_is_skipped_with_a_warning_and_the_rest_is_kept(tmp_path, caplog):
    ledger = Ledger(tmp_path)
    ledger.add([record(0)])
    ledger.add([record(1), record(2)])
    (path,) = tmp_path.glob("ledger/*.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    assert [r.cell.seed for r in Ledger(tmp_path).records.values()] == [0]
    assert "cut off" in caplog.text
    Ledger(tmp_path).add([record(1)])
    assert sorted(r.cell.seed for r in Ledger(tmp_path).records.values()) == [0, 1]


@pytest.mark.parametrize(
    "line", ['{"kind": "job", "schema": 1, "records": [{"x": 1}]}', '{"kind": "selection", "schema": 1}', "[]"]
)
def test_a_line_that_is_no_entry_is_skipped_with_a_warning(tmp_path, caplog, line):
    Ledger(tmp_path).add([record(0)])
    (tmp_path / "ledger" / "zzz.jsonl").write_text(line + "\n")
    assert len(Ledger(tmp_path).records) == 1 and "zzz.jsonl:1" in caplog.text


def test_a_ledger_of_another_version_is_refused(tmp_path):
    Ledger(tmp_path).add([record(0)])
    (tmp_path / "ledger" / "zzz.jsonl").write_text('{"kind": "run", "schema": 99}\n')
    with pytest.raises(BadInputError, match="another version"):
        Ledger(tmp_path)


def test_a_retried_failure_is_replaced_and_a_rescored_cell_keeps_its_timings(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.add([record(0, "failed", value=None)])
    ledger.add([record(0, "ok", seconds=5.0)])
    ledger.add([record(0, "ok", metrics=("stress",), value=0.5, seconds=9.0)])
    (merged,) = Ledger(tmp_path).records.values()
    assert merged.fit_seconds == 5.0 and merged.requested == ("mcn", "stress")
    assert {score.metric: score.value for score in merged.scores} == {"mcn": 1.0, "stress": 0.5}


def test_a_good_cell_whose_rescoring_fails_keeps_its_scores(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.add([record(0, metrics=("mcn", "stress"))])
    late = record(0, "timeout", metrics=("mcn_attached",), value=None)
    failed = tuple(Score("mcn_attached", "mcn_attached", "test", None, "lower", "failed", "slow") for _ in late.scores)
    ledger.add([replace(late, scores=failed, reason="slow")])
    (merged,) = Ledger(tmp_path).records.values()
    assert merged.status == "ok" and merged.value("mcn") == 1.0 and merged.value("stress") == 1.0
    (lost,) = [score for score in merged.scores if score.metric == "mcn_attached"]
    assert lost.status == "failed" and lost.reason == "timeout: slow"


def test_one_coordinator_at_a_time(tmp_path):
    with locked(tmp_path), pytest.raises(BadInputError, match="another bench run"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_folder_without_a_ledger_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="no result folder"):
        read(tmp_path)
