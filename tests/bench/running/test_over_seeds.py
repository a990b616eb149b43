"""Metrics over all report seeds of a configuration, through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bench.plan.jobs import Job, Setting, job_from_json, job_to_json
from bench.record.cells import Cell, Group
from bench.record.entries import records_of
from bench.record.records import Record
from bench.suite.data import DatasetSpec
from bench.suite.metrics import metric_choice
from metrics.stability import coefficient_of_variation, icc
from reports.pictures import read_pictures
from tests.bench.comparison import frame_of

SUITE = """
suite = "seeds"
[run]
report_seeds = [0, 1]
timeout = "60s"
[datasets.swiss_roll]
n = 160
[methods.ae]
epochs = 30
hidden = [8]
[metrics]
use = ["knn_preservation", "geodesic_cv"]
[track]
mlflow = "off"
"""

METHODS = '''
import numpy as np
import torch


class Plain:
    """Two columns, with a linear decoder that differs from seed to seed; can neither be stacked nor saved."""

    def __init__(self, latent_dim: int = 2, random_state: int = 0):
        self.latent_dim, self.random_state = latent_dim, random_state

    def fit(self, X):
        self.decoders_ = [torch.nn.Linear(2, 3, bias=False)]
        with torch.no_grad():
            self.decoders_[0].weight.copy_((1.0 + self.random_state) * torch.eye(3)[:, :2])
        return self

    def encode(self, X):
        return np.asarray(X[:, :2], dtype=np.float32)

    def decode(self, Z):
        with torch.no_grad():
            return self.decoders_[0](torch.as_tensor(Z)).numpy()


class Blind(Plain):
    """Has no decoder."""

    decode = None

    def fit(self, X):
        return self


class Fragile(Plain):
    def fit(self, X):
        if self.random_state == 1:
            raise RuntimeError("this seed never works")
        return super().fit(X)
'''

CELL = Cell("final", DatasetSpec("roll", "swiss_roll", {"n": 100}, "abc"), "ae", "ae", {"latent_dim": 2}, 0)


def over_seeds(frame):
    return frame[frame["metric"].str.startswith("geodesic_cv")]


@pytest.fixture
def foreign(write_suite, tmp_path):
    def write(method, seeds=(0, 1, 2)):
        (tmp_path / "mine.py").write_text(METHODS)
        text = SUITE.replace("[methods.ae]\nepochs = 30\nhidden = [8]", f'[methods.x]\ntarget = "mine.py:{method}"')
        write_suite(text.replace("[0, 1]", str(list(seeds))))

    return write


def test_a_group_is_scored_once_with_its_own_record_and_its_raw_distances(bench, write_suite, tmp_path):
    write_suite(SUITE)
    done = bench("run", "--out", "out")
    assert done.returncode == 0, done.stderr + done.stdout
    frame = frame_of(tmp_path / "out")
    rows = over_seeds(frame)
    assert rows["seed"].isna().all() and (rows["n_seeds"] == 2).all() and rows["cell_id"].nunique() == 1
    assert rows["fit_seconds"].isna().all()
    assert frame[frame["metric"] == "knn_preservation"]["seed"].tolist() == [0, 1]
    raw = read_pictures(tmp_path / "out" / "models" / rows["cell_id"].iloc[0])["stability"]
    value = rows.set_index("metric")["value"]
    for kind, suffix in (("geodesic", ""), ("straight", "_straight"), ("euclidean", "_euclidean")):
        assert raw[kind].shape == (2, 50)
        assert value[f"geodesic_cv{suffix}"] == pytest.approx(coefficient_of_variation(raw[kind]).mean())
        assert value[f"geodesic_cv{suffix}_icc"] == pytest.approx(icc(raw[kind]))
    assert (raw["geodesic"] <= raw["straight"] + 1e-9).all()
    models = sorted({*frame["cell_id"]} - {*rows["cell_id"]})
    kept = [load_file(path)["length"] for m in models for path in (tmp_path / "out" / "models" / m).glob("geodesics*")]
    np.testing.assert_array_equal(np.sort(kept, axis=0), np.sort(raw["geodesic"], axis=0))
    better = rows.set_index("metric")["better"]
    assert (better["geodesic_cv"], better["geodesic_cv_icc"], better["geodesic_cv_gain"]) == (
        "lower",
        "higher",
        "higher",
    )
    report = (tmp_path / "out" / "report.md").read_text()
    assert "| ae | geodesic |" in report and "2 reported models" in report
    assert (tmp_path / "out" / "figures" / "swiss_roll" / "ae-stability.png").is_file()


def test_geodesics_that_a_score_of_one_model_found_are_not_found_again(bench, write_suite, tmp_path):
    text = SUITE.replace('"geodesic_cv"]', '"geodesic_error"]')
    write_suite(text)
    assert bench("run", "--out", "out").returncode == 0
    kept = sorted((tmp_path / "out" / "models").rglob("geodesics*"))
    for path in kept:
        save_file({**load_file(path), "length": 7 * np.ones(50)}, path)
    write_suite(SUITE)
    assert bench("run", "--out", "out").returncode == 0
    rows = over_seeds(frame_of(tmp_path / "out")).set_index("metric")["value"]
    assert len(kept) == 2 and rows["geodesic_cv"] == 0


def test_a_second_run_has_nothing_to_do_and_another_seed_makes_another_group(bench, write_suite, tmp_path):
    write_suite(SUITE)
    assert bench("run", "--out", "out").returncode == 0
    first = over_seeds(frame_of(tmp_path / "out"))
    again = bench("run", "--out", "out")
    assert "✓" not in again.stdout
    write_suite(SUITE.replace("[0, 1]", "[1, 0, 2]"))
    (plan,) = json.loads(bench("plan", "--out", "out", "--json").stdout)
    assert (plan["cached"], plan["todo"]) == (2, 2)
    assert bench("run", "--out", "out").returncode == 0
    rows = over_seeds(frame_of(tmp_path / "out"))
    assert (rows["n_seeds"] == 3).all() and not set(rows["cell_id"]) & set(first["cell_id"])
    fresh = bench("run", "--out", "fresh")
    assert fresh.returncode == 0
    theirs = over_seeds(frame_of(tmp_path / "fresh"))
    assert theirs["cell_id"].iloc[0] == rows["cell_id"].iloc[0]
    np.testing.assert_allclose(theirs["value"].astype(float), rows["value"].astype(float), rtol=1e-5, atol=1e-8)


def test_a_method_that_cannot_be_saved_is_fitted_again_for_it(bench, foreign, tmp_path):
    foreign("Plain")
    done = bench("run", "--out", "out")
    assert done.returncode == 0, done.stdout
    value = over_seeds(frame_of(tmp_path / "out")).set_index("metric")["value"]
    # Lengths are 1, 2 and 3 times the distance of the codes.
    assert value["geodesic_cv"] == pytest.approx(np.std([1, 2, 3], ddof=1) / 2)
    assert value["geodesic_cv_scale_free"] == pytest.approx(0, abs=1e-9)
    assert value["geodesic_cv_euclidean"] == pytest.approx(0, abs=1e-9)
    assert value["geodesic_cv_spearman"] == pytest.approx(1)


def test_a_method_without_decoders_has_none(bench, foreign, tmp_path):
    foreign("Blind")
    assert bench("run", "--out", "out").returncode == 0
    (row,) = over_seeds(frame_of(tmp_path / "out")).to_dict("records")
    assert row["status"] == "n/a" and "no differentiable decoder" in row["reason"]


def test_one_seed_tells_nothing_of_a_spread(bench, foreign, tmp_path):
    foreign("Plain", seeds=[0])
    assert bench("run", "--out", "out").returncode == 0
    (row,) = over_seeds(frame_of(tmp_path / "out")).to_dict("records")
    assert row["status"] == "n/a" and "at least two" in row["reason"]


def test_seeds_that_failed_are_left_out_and_counted(bench, foreign, tmp_path):
    foreign("Fragile")
    assert bench("run", "--out", "out").returncode == 1
    rows = over_seeds(frame_of(tmp_path / "out"))
    # The two that are left have a decoder that was never trained, and say so.
    assert (rows["n_seeds"] == 2).all() and (rows["status"] == "collapsed").all() and rows["value"].notna().all()
    assert rows["reason"].str.startswith("at least one model: explained variance").all()
    foreign("Plain")
    assert bench("run", "--out", "out", "--retry", "failed").returncode == 0
    assert (over_seeds(frame_of(tmp_path / "out"))["n_seeds"] == 3).all()


def test_where_every_seed_failed_the_metric_is_seen_to_fail_too(bench, foreign, tmp_path):
    foreign("Fragile", seeds=[1])
    assert bench("run", "--out", "out").returncode == 1
    (row,) = over_seeds(frame_of(tmp_path / "out")).to_dict("records")
    assert row["status"] == "failed" and "this seed never works" in row["reason"] and row["n_seeds"] == 1


def test_where_the_distances_cannot_be_had_the_models_scores_stand(bench, foreign, tmp_path):
    foreign("Plain")
    code = METHODS.replace("torch.nn.Linear(2, 3, bias=False)", "Dying(self.random_state)")
    (tmp_path / "mine.py").write_text(code + DYING)
    done = bench("run", "--out", "out")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    frame = frame_of(tmp_path / "out")
    assert frame[frame["metric"] == "knn_preservation"]["status"].tolist() == ["ok"] * 3
    (row,) = over_seeds(frame).to_dict("records")
    assert row["status"] == "crashed" and row["n_seeds"] == 3
    status = bench("status", "out").stdout
    assert "3 ok" in status and "3 seeds" in status


DYING = '''

class Dying(torch.nn.Linear):
    """Lives in training and as a picture, that of the first seed; not in evaluation."""

    def __init__(self, seed):
        super().__init__(2, 3, bias=False)
        self.seed = seed

    def forward(self, z):
        if self.seed == 1 and z.dtype == torch.float64:
            import ctypes

            ctypes.string_at(0)
        return super().forward(z)
'''


def test_a_groups_id_depends_on_its_seeds_and_not_on_their_order():
    cells = [Cell(CELL.phase, CELL.dataset, CELL.method, CELL.target, CELL.params, seed) for seed in (0, 1, 2)]
    group = Group.of(cells)
    assert group.id == Group.of(cells[::-1]).id
    assert group.id not in {Group.of(cells[:2]).id, *(cell.id for cell in cells)}
    assert group.config_id == CELL.config_id
    assert group.cells == tuple(cells)


def test_groups_survive_json():
    group = Group.of([CELL])
    record = Record(suite="s", cell=group, status="ok", requested=("geodesic_cv",))
    assert records_of([record.to_json()]) == [record]
    job = Job(
        group.cells,
        (metric_choice("geodesic_cv", Path()),),
        "test",
        Setting(".", "out", "cpu", 60.0, 10**9),
        group=group,
    )
    assert job_from_json(job_to_json(job)) == job
    assert (
        job.id != Job(group.cells, (metric_choice("mcn", Path()),), "test", Setting(".", "out", "cpu", 60.0, 10**9)).id
    )


def test_metrics_over_seeds_alone_are_scored_of_models_that_have_no_scores_of_their_own(bench, write_suite, tmp_path):
    write_suite(SUITE.replace('"knn_preservation", ', ""))
    done = bench("run", "--out", "out", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "2 seeds: what other seeds would give" in " ".join(done.stdout.split())
    frame = frame_of(tmp_path / "out")
    assert set(frame["n_seeds"]) == {2} and frame.loc[frame["metric"] == "geodesic_cv", "value"].notna().all()
    again = bench("run", "--out", "out", "--quiet")
    assert again.returncode == 0 and "ETA" not in again.stdout, "something was computed again"
