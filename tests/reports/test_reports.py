from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from reports.figures import Embedding, common_radius, embeddings, equidistant_ellipses, quality_against_time, save
from reports.frames import COLUMNS, FrameError, read_frame, results_frame, write_frame
from reports.leaderboard import boards
from reports.markdown import leaderboard, report, status_matrix
from reports.statistics import estimate


def row(method="a", dataset="roll", seed=0, metric="mcn", value=1.0, **more):
    return {
        "suite": "s", "phase": "final", "dataset": dataset, "method": method, "params": "{}", "config_id": method,
        "cell_id": f"{method}{dataset}{seed}", "seed": seed, "n_seeds": 1, "split": "test", "metric": metric,
        "value": value, "better": "lower", "status": "ok", "reason": "", "decoder": "native", "fit_seconds": 1.0,
        "decoder_seconds": 0.0, "score_seconds": 0.1, "stack_size": 1, "peak_memory_mb": 10.0, "device": "cpu",
        "git_sha": "", "git_dirty": False, "started_at": "2026-01-01T00:00:00+00:00", **more,
    }  # fmt: skip


def test_the_frame_survives_parquet_with_missing_values_and_integers(tmp_path):
    frame = results_frame([row(), row(seed=1, value=None, status="failed", reason="why")])
    write_frame(frame, tmp_path / "r.parquet")
    again = read_frame(tmp_path / "r.parquet")
    pd.testing.assert_frame_equal(frame, again)
    assert list(again.columns) == list(COLUMNS) and again["value"].isna().tolist() == [False, True]
    assert str(again["seed"].dtype) == "Int64"


def test_the_frame_does_not_depend_on_the_order_of_rows():
    rows = [row(method=m, seed=s, metric=k) for m in "ab" for s in (0, 1) for k in ("mcn", "stress")]
    pd.testing.assert_frame_equal(results_frame(rows), results_frame(rows[::-1]))


@pytest.mark.parametrize("content", [b"", b"not parquet", None])
def test_a_file_that_is_no_frame_is_refused_by_name(tmp_path, content):
    path = tmp_path / "foreign.parquet"
    if content is None:
        pd.DataFrame({"x": [1]}).to_parquet(path)
    else:
        path.write_bytes(content)
    with pytest.raises(FrameError, match=r"foreign\.parquet"):
        read_frame(path)


def test_a_foreign_frame_needs_only_four_columns(bench, tmp_path):
    pd.DataFrame(
        {"dataset": ["d"] * 4, "method": ["x", "x", "y", "y"], "metric": ["score"] * 4, "value": [1.0, 2.0, 3.0, 4.0]}
    ).to_parquet(tmp_path / "mine.parquet")
    done = bench("report", "out", "--from", "mine.parquet")
    assert done.returncode == 0, done.stderr
    assert "| x |" in (tmp_path / "out" / "report.md").read_text()


def test_estimate_is_the_mean_with_an_interval_around_it():
    values = np.random.default_rng(0).normal(5, 1, size=200)
    found = estimate(values)
    assert found.mean == pytest.approx(values.mean())
    half = 1.96 * values.std(ddof=1) / np.sqrt(200)
    assert found.low == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03)
    assert estimate([3.0]).low is None
    with pytest.raises(ValueError, match="at least one"):
        estimate([])


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    inside = [e.low <= 0 <= e.high for e in (estimate(rng.normal(size=30)) for _ in range(200))]
    assert 0.88 <= np.mean(inside) <= 0.99


def test_a_worse_mean_is_never_best_while_a_better_one_is_not():
    rows = [row("steady", seed=s, value=0.80, better="higher") for s in range(3)]
    rows += [row("between", seed=s, value=0.75, better="higher") for s in range(3)]
    rows += [row("noisy", seed=s, value=v, better="higher") for s, v in enumerate([0.5, 0.7, 0.9])]
    (board,) = boards(results_frame(rows), set())
    assert [r.method for r in board.rows if r.entries["mcn"].best] == ["steady"]


def test_best_is_the_best_mean_and_what_lies_in_its_interval():
    rows = [row("good", seed=s, value=1.0 + 0.01 * s) for s in range(3)]
    rows += [row("near", seed=s, value=1.005 + 0.01 * s) for s in range(3)]
    rows += [row("bad", seed=s, value=5.0 + 0.01 * s) for s in range(3)]
    rows += [row("lent", seed=s, value=0.5, decoder="attached") for s in range(3)]
    (board,) = boards(results_frame(rows), {"mcn"})
    best = {r.method: r.entries["mcn"].best for r in board.rows}
    # The attached decoder is best in its own ranking and does not dethrone the native ones.
    assert best == {"good": True, "near": True, "bad": False, "lent": True}
    (together,) = boards(results_frame(rows), set())
    assert {r.method for r in together.rows if r.entries["mcn"].best} == {"lent"}
    (upside_down,) = boards(results_frame([{**r, "better": "higher"} for r in rows]), {"mcn"})
    assert {r.method for r in upside_down.rows if r.entries["mcn"].best} == {"bad", "lent"}


def test_a_mean_over_rank_deficient_points_wins_nothing():
    rows = [row("flat", seed=s, value=4.5e15) for s in range(2)]
    rows += [row("flat", seed=s, value=0.5, metric="mcn_rank_deficient") for s in range(2)]
    (board,) = boards(results_frame(rows), set(), metrics=["mcn"])
    assert board.rows[0].entries["mcn"].text(interval=False) == "4.5e+15 (rank-deficient)"
    assert not board.rows[0].entries["mcn"].best
    rows += [row("round", seed=s, value=9.0) for s in range(2)]
    rows += [row("round", seed=s, value=0.0, metric="mcn_rank_deficient") for s in range(2)]
    (board,) = boards(results_frame(rows), set(), metrics=["mcn"])
    assert {r.method for r in board.rows if r.entries["mcn"].best} == {"round"}


def test_a_score_in_small_units_is_not_nothing():
    (board,) = boards(results_frame([row(value=3.2e-15)]), set())
    assert board.rows[0].entries["mcn"].text() == "3.2e-15"


def test_failures_and_not_applicable_are_shown_and_never_averaged():
    rows = [row("a", seed=0, value=2.0), row("a", seed=1, value=None, status="timeout", reason="too slow")]
    rows += [row("b", seed=0, value=None, status="n/a", reason="no decoder")]
    frame = results_frame(rows)
    (board,) = boards(frame, set())
    assert board.rows[0].entries["mcn"].text() == "2" and board.rows[0].n_seeds == 1
    assert board.rows[1].entries["mcn"].text() == "n/a"
    text = report(frame, [board], {}, [], [], [])
    assert "too slow" in text and "1 timeout" in text and "1 ok" in status_matrix(frame)


def test_a_train_split_is_marked():
    (board,) = boards(results_frame([row(split="train")]), set())
    assert "a (train)" in leaderboard(board)


def test_an_empty_frame_gives_a_report():
    frame = results_frame([])
    assert "no results" in report(frame, boards(frame, set()), {}, [], [], [])


def test_ellipses_are_unit_balls_of_the_metric_with_one_radius():
    G = np.array([[[4.0, 0.0], [0.0, 1.0]], [[2.0, 1.0], [1.0, 2.0]]])
    for ellipse, metric in zip(equidistant_ellipses(np.zeros((2, 2)), G, 0.3), G, strict=True):
        boundary = ellipse.get_patch_transform().transform(ellipse.get_path().vertices)
        length = np.einsum("ni,ij,nj->n", boundary, metric, boundary)
        # The path holds control points too, which lie outside; those on the curve have one length.
        assert length.min() == pytest.approx(0.3**2, rel=1e-3)
    assert equidistant_ellipses(np.zeros((1, 2)), np.zeros((1, 2, 2)), 1.0) == []


def test_the_common_radius_scales_with_the_picture():
    rng = np.random.default_rng(0)
    Z, G = rng.normal(size=(30, 2)), np.tile(np.eye(2), (30, 1, 1))
    assert common_radius(10 * Z, G / 100) == pytest.approx(common_radius(Z, G))


def test_figures_are_drawn_and_equal_input_gives_equal_files(tmp_path):
    rng = np.random.default_rng(0)
    panel = Embedding(rng.normal(size=(50, 2)), rng.integers(0, 3, 50), np.arange(5), np.tile(np.eye(2), (5, 1, 1)))
    for name in ("one", "two"):
        save(embeddings({"a": panel, "b": panel}, "title"), tmp_path / f"{name}.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert imread(tmp_path / "one.png").std() > 0.01
    found = boards(results_frame([row(seed=s) for s in range(3)]), set())
    save(quality_against_time(found, ["mcn"]), tmp_path / "quality.png")
    assert imread(tmp_path / "quality.png").std() > 0.01


def test_reports_import_without_torch():
    code = (
        "import sys\nimport reports.markdown, reports.figures, reports.frames, reports.leaderboard\n"
        "assert not {'torch', 'mlflow', 'optuna', 'umap'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
