from __future__ import annotations

import contextlib
import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench.errors import BadInputError
from bench.record.cells import Cell
from bench.record.compaction import compact
from bench.record.ledger import Ledger, Part, locked, read
from bench.record.records import Record, Score
from bench.suite.data import DatasetSpec
from bench.suite.metrics import metric_choice, to_json

SPEC = DatasetSpec("roll", "swiss_roll", {}, "abc")


def record(seed: int = 0, status="ok", metrics=("mcn",), value: float | None = 1.0, seconds: float = 1.0) -> Record:
    cell = Cell("final", SPEC, "pca", "pca", {}, seed)
    scores = tuple(Score(name, name, "test", value, "lower") for name in metrics)
    return Record("s", cell, status, tuple(metrics), scores=scores, fit_seconds=seconds)


def test_records_share_what_was_asked_of_them_and_nothing_of_another_kind(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.add([record(0, metrics=()), record(1), record(2), replace(record(3), versions={"mcn": 1})])
    first, second, third, fourth = Ledger(tmp_path).records.values()
    assert (first.requested, first.versions, second.versions) == ((), {}, {})
    assert second.requested is third.requested and second.versions is third.versions
    assert fourth.versions == {"mcn": 1} and fourth.has("mcn", 1) and not fourth.has("mcn", 2)


def test_what_is_added_is_read_again(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.add([record(0), record(1)])
    choice = {
        "params": {},
        "config_id": "c",
        "spec": asdict(SPEC),
        "seeds": [0],
        "note": "",
        "trials": [],
        "scores": {},
    }
    ledger.select("roll", "pca", choice)
    ledger.select("roll", "pca", choice)
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


def changed_line(folder, change) -> None:
    """The one line of a ledger, changed."""
    (path,) = folder.glob("ledger/*.jsonl")
    entry = json.loads(path.read_bytes())
    change(entry["records"][0])
    path.write_text(json.dumps(entry) + "\n")


def test_a_line_of_before_curves_were_beside_the_models_is_read(tmp_path):
    Ledger(tmp_path).add([record(0)])
    changed_line(tmp_path, lambda written: written.update(history={"loss": [1.0, 0.5]}))
    assert list(Ledger(tmp_path).records.values()) == [record(0)]


@pytest.mark.parametrize(
    "change",
    [
        lambda written: written.update(fit_seconds="1.0"),
        lambda written: written.update(status="fine"),
        lambda written: written.update(surprise=1),
        lambda written: written["cell"].update(seed=True),
        lambda written: written["cell"].update(params={"a": math.nan}),
        lambda written: written["cell"]["dataset"].pop("content"),
        lambda written: written["scores"][0].update(value="1.0"),
    ],
)
def test_a_record_with_a_value_of_another_form_is_skipped_with_a_warning(tmp_path, caplog, change):
    Ledger(tmp_path).add([record(0)])
    changed_line(tmp_path, change)
    assert not Ledger(tmp_path).records and ":1 is no entry" in caplog.text


@pytest.mark.parametrize(
    "scored_by", [{}, {"target": "mcn", "surprise": 1}, {"target": 3}], ids=["lacks", "more", "other type"]
)
def test_a_run_whose_metrics_have_another_form_is_skipped_with_a_warning(tmp_path, caplog, scored_by):
    """They are checked by the dataclass that they were written from."""
    good = to_json([metric_choice("mcn", Path())])[0]
    ledger = Ledger(tmp_path)
    ledger.start_run({"scored_by": [good]})
    ledger.start_run({"scored_by": [{**good, **scored_by} if scored_by else {"name": "mcn"}]})
    assert [run["scored_by"] for run in Ledger(tmp_path).runs] == [json.loads(json.dumps([good]))]
    assert ":2 is no entry" in caplog.text


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


def folder_of_parts(tmp_path) -> None:
    """Five parts, of which the first has a failure that a later one mends."""
    for at, made in enumerate([record(0, "failed"), record(0), record(1), record(2), record(3)]):
        (tmp_path / "ledger").mkdir(exist_ok=True)
        Part(tmp_path / "ledger" / f"part-{at}.jsonl").add([made])


def test_parts_are_compacted_and_read_as_before(tmp_path):
    folder_of_parts(tmp_path)
    before = Ledger(tmp_path).records
    assert compact(tmp_path / "ledger", most=5) is None
    path = compact(tmp_path / "ledger", unfinished=["part-4.jsonl"], most=3)
    assert path is not None and sorted(p.name for p in (tmp_path / "ledger").iterdir()) == [path.name, "part-4.jsonl"]
    assert Ledger(tmp_path).records == before
    Ledger(tmp_path).add([record(9)])
    again = compact(tmp_path / "ledger", most=1)
    assert [p.name for p in (tmp_path / "ledger").iterdir()] == [again.name]
    assert Ledger(tmp_path).records == {**before, record(9).cell.id: record(9)}


def test_a_kill_while_parts_are_compacted_loses_nothing(tmp_path, monkeypatch):
    folder_of_parts(tmp_path)
    before = Ledger(tmp_path).records
    unlink = Path.unlink
    for survivors in (5, 3, 0):

        def killed(path: Path, survivors=survivors) -> None:
            if path.name.startswith("part-") and len(list(path.parent.glob("part-*"))) <= survivors:
                raise KeyboardInterrupt
            unlink(path)

        monkeypatch.setattr(Path, "unlink", killed)
        with contextlib.suppress(KeyboardInterrupt):
            compact(tmp_path / "ledger", most=1)
        # A failure that was mended since is not told again after the good record.
        assert Ledger(tmp_path).records == before


FUTURE = "20991231T235959999999"


def test_a_clock_that_was_set_back_does_not_turn_the_order_around(tmp_path):
    """A failure, and another of the same cell after the clock was set back by years: the later one is told."""
    (tmp_path / "ledger").mkdir()
    Part(tmp_path / "ledger" / f"{FUTURE}-1.jsonl").add([record(0, "failed")])
    ledger = Ledger(tmp_path)
    ledger.add([record(0, "timeout")])
    ledger.close()
    assert Ledger(tmp_path).records[record(0).cell.id].status == "timeout"
    path = compact(tmp_path / "ledger", most=0)
    # The file that holds the others is the last one by name, where a kill left several.
    assert path is not None and path.name > FUTURE
    assert Ledger(tmp_path).records[record(0).cell.id].status == "timeout"


def test_a_damaged_compacted_file_is_named(tmp_path):
    folder_of_parts(tmp_path)
    path = compact(tmp_path / "ledger", most=1)
    assert path is not None
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BadInputError, match=f"{path.name}: damaged"):
        Ledger(tmp_path)
