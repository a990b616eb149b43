from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from reports.content import Content
from reports.figures import Embedding, common_radius, embeddings, equidistant_ellipses, quality_against_time, save
from reports.frames import COLUMNS, FrameError, as_reported, read_frame, results_frame, write_frame
from reports.leaderboard import boards
from reports.markdown import leaderboard, report, status_matrix
from reports.palette import styles


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


def test_rows_are_in_the_order_of_what_they_say_and_what_is_missing_is_last():
    given = [
        row(method=m, seed=s, metric=k, cell_id=f"{m}{s}{k}{at}")
        for at, (m, s, k) in enumerate(
            itertools.product(
                ["b", "a", None], [2**60 + 1, None, 2**60], ["stress", None, "mcn", *map(str, range(100))]
            )
        )
    ]
    frame = results_frame(given)
    keys = ["phase", "dataset", "method", "config_id", "seed", "metric"]
    as_texts = pd.DataFrame({name: pd.array([r[name] for r in given], COLUMNS[name]) for name in [*keys, "cell_id"]})
    expected = as_texts.sort_values(keys, kind="stable", ignore_index=True)["cell_id"]
    assert frame["cell_id"].tolist() == expected.tolist()


def test_the_file_holds_texts_whatever_a_frame_holds_them_as(tmp_path, monkeypatch):
    monkeypatch.setattr("reports.frames._ROWS", 2)
    frame = results_frame([row(seed=s, reason=None) for s in range(5)])
    write_frame(frame, tmp_path / "r.parquet")
    written = pd.read_parquet(tmp_path / "r.parquet")
    assert {name: str(dtype) for name, dtype in written.dtypes.items()} == COLUMNS
    assert written["seed"].tolist() == [0, 1, 2, 3, 4] and written["reason"].isna().all()


def test_of_several_configurations_one_is_shown_or_each_under_its_name():
    rows = [row("a", seed=s, config_id=c, cell_id=c + str(s)) for c in ("first", "second") for s in (0, 1)]
    frame = results_frame([*rows, row("b"), row("a", phase="tune", config_id="third", cell_id="t")])
    shown = as_reported(frame, {("roll", "a"): "second"})
    assert set(shown[shown["phase"] == "final"]["config_id"]) == {"second", "b"}
    assert set(shown["method"]) == {"a", "b"} and (shown["phase"] == "tune").sum() == 1
    apart = as_reported(frame, {})
    assert set(apart[apart["phase"] == "final"]["method"]) == {"a first", "a second", "b"}
    assert len(apart) == len(frame)


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


def test_a_mean_over_rank_deficient_points_wins_nothing():
    rows = [row("flat", seed=s, value=4.5e15) for s in range(2)]
    rows += [row("flat", seed=s, value=0.5, metric="mcn_rank_deficient") for s in range(2)]
    (board,) = boards(results_frame(rows), set(), metrics=["mcn"])
    assert "4.5e+15 (rank-deficient)" in leaderboard(board)
    assert not board.rows[0].entries["mcn"].best
    for name, mean in (("round", 2.0), ("long", 9.0)):
        rows += [row(name, seed=s, value=mean + 0.01 * s * mean) for s in range(2)]
        rows += [row(name, seed=s, value=0.0, metric="mcn_rank_deficient") for s in range(2)]
    (board,) = boards(results_frame(rows), set(), metrics=["mcn"])
    assert {r.method for r in board.rows if r.entries["mcn"].best} == {"round"}


def test_a_score_in_small_units_is_not_nothing():
    (board,) = boards(results_frame([row(value=3.2e-15)]), set())
    assert "| 3.2e-15 |" in leaderboard(board)


def test_failures_and_not_applicable_are_shown_and_never_averaged():
    rows = [row("a", seed=0, value=2.0), row("a", seed=1, value=None, status="timeout", reason="too slow")]
    rows += [row("b", seed=0, value=None, status="n/a", reason="no decoder")]
    frame = results_frame(rows)
    (board,) = boards(frame, set())
    assert "| a | native | 2 |" in leaderboard(board) and board.rows[0].n_seeds == 1
    assert "| b | native | n/a |" in leaderboard(board)
    text = report(Content(frame, [board]))
    assert "too slow" in text and "1 timeout" in text and "1 ok" in status_matrix(frame)


def test_a_train_split_is_marked():
    (board,) = boards(results_frame([row(split="train")]), set())
    assert "a (train)" in leaderboard(board)


def test_an_empty_frame_gives_a_report():
    frame = results_frame([])
    assert "no results" in report(Content(frame, boards(frame, set())))


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
    save(quality_against_time(found, ["mcn"], styles(["a"])), tmp_path / "quality.png")
    assert imread(tmp_path / "quality.png").std() > 0.01


def test_reports_import_without_torch():
    code = (
        "import sys\nimport reports.markdown, reports.figures, reports.frames, reports.leaderboard\n"
        "assert not {'torch', 'mlflow', 'optuna', 'umap'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def seeds(method, values, **more):
    return [row(method, seed=s, value=v, **more) for s, v in enumerate(values)]


def best(board, metric="mcn"):
    return {r.method: r.entries[metric].mark for r in board.rows}


def test_best_is_the_best_mean_and_what_cannot_be_told_from_it():
    rows = seeds("good", [1.0, 1.01, 1.02]) + seeds("near", [1.02, 1.0, 1.015]) + seeds("bad", [5.0, 5.01, 5.02])
    rows += seeds("lent", [0.5, 0.51, 0.52], decoder="attached")
    (board,) = boards(results_frame(rows), {"mcn"})
    # The attached decoder has a ranking of its own, where it is alone, and does not dethrone the native ones.
    assert best(board) == {"good": "=", "near": "=", "bad": "", "lent": ""}
    (together,) = boards(results_frame(rows), set())
    assert best(together) == {"good": "", "near": "", "bad": "", "lent": "*"}
    (upside_down,) = boards(results_frame([{**r, "better": "higher"} for r in rows]), {"mcn"})
    assert best(upside_down) == {"good": "", "near": "", "bad": "*", "lent": ""}
    assert "mcn: good = near cannot be told apart." in leaderboard(board)


def test_the_best_mean_is_among_the_best_and_a_noisy_one_is_not_told_from_it():
    rows = seeds("steady", [0.80, 0.81, 0.82], better="higher") + seeds("noisy", [0.5, 0.7, 0.9], better="higher")
    (board,) = boards(results_frame(rows), set())
    assert best(board) == {"steady": "=", "noisy": "="}
    assert "(all that are ranked)" in leaderboard(board)


def test_test_points_tell_apart_what_three_seeds_alone_do_not():
    rng = np.random.default_rng(0)
    points = {f"{m}roll{s}": {"mcn": rng.normal(mean, 0.2, 300)} for m, mean in (("a", 1), ("b", 2)) for s in range(3)}
    rows = [row(m, seed=s, value=points[f"{m}roll{s}"]["mcn"].mean()) for m in "ab" for s in range(3)]
    (board,) = boards(results_frame(rows), set(), points_of=lambda cell: points[cell])
    assert best(board) == {"a": "*", "b": ""} and board.rows[0].entries["mcn"].estimate.over == "points"
    text = leaderboard(board)
    assert "3 seeds" in text and "300 test points, 3 seeds: the intervals say nothing of other seeds" in text


@pytest.mark.parametrize("status", ["collapsed", "by construction"])
def test_what_is_no_finding_is_shown_and_moves_no_rank(status):
    rows = seeds("trivial", [1.0, 1.0, 1.0], status=status, reason="for a reason")
    rows += seeds("learned", [2.0, 2.1, 2.2]) + seeds("worse", [9.0, 9.1, 9.2])
    (board,) = boards(results_frame(rows), set())
    assert best(board) == {"trivial": "", "learned": "*", "worse": ""}
    text = leaderboard(board)
    assert f"trivial: {status} (for a reason), not ranked on mcn." in text
    assert ("~~1~~ collapsed" if status == "collapsed" else "1 (by construction)") in text
    assert "1 ok" not in status_matrix(results_frame(rows)).replace("3 ok", "")


def test_a_mean_leaves_collapsed_models_out_and_then_is_not_ranked():
    rows = seeds("a", [1.0, 3.0, 3.0]) + seeds("b", [4.0, 4.1, 4.2]) + seeds("c", [5.0, 5.1, 5.2])
    rows[0] |= {"status": "collapsed", "reason": "explained variance 0.1, below 0.5"}
    (board,) = boards(results_frame(rows), set())
    entry = board.rows[0].entries["mcn"]
    assert entry.estimate.mean == 3 and entry.status == "1 of 3 collapsed" and best(board)["b"] == "*"


def test_a_mean_that_few_points_carry_has_its_median_beside_it_but_influences_have_none():
    values = np.concatenate([np.ones(99), [1_000.0]])
    rows = seeds("a", [values.mean()] * 3) + seeds("b", [20.0, 21.0, 22.0])

    def text(name):
        (board,) = boards(results_frame(rows), set(), points_of=lambda cell: {name: values} if cell[0] == "a" else {})
        return leaderboard(board)

    assert "median 1" in text("mcn") and "a few points carry it" in text("mcn")
    assert "median" not in text("mcn.influence") and "100 test points" in text("mcn.influence")


def test_a_mean_that_one_seed_carries_has_its_median_beside_it():
    (board,) = boards(results_frame(seeds("tsne", [1.6, 1072.0, 1.7])), set())
    assert "358, median 1.7" in leaderboard(board) and "seed 1 does" in leaderboard(board)


def test_the_tuned_column_and_the_cost_of_an_attached_decoder_are_named():
    rows = seeds("tsne", [1.0, 2.0], decoder="attached", fit_seconds=3.0, decoder_seconds=20.0, stack_size=2)
    trials = [row(phase="tune", config_id=c, cell_id=c, fit_seconds=4.0, method="tsne") for c in ("a", "b")]
    tuning = {"objectives": ["mcn"], "limits": ["stress <= 2"], "limited": ["stress"], "trials": 2, "seeds": [100]}
    (board,) = boards(results_frame([*rows, *trials]), set(), tuning=tuning)
    text = leaderboard(board)
    assert "mcn ↓ (tuned)" in text and "| 3.00 | 20.00 | 2 | 2 | 8.20 |" in text
    assert "best mcn with stress <= 2 of 2 trials on seed 100, on validation rows" in text


def test_rankings_that_are_apart_are_not_said_to_be_tied_with_each_other():
    rows = seeds("a", [1.0, 1.1, 0.9]) + seeds("b", [1.05, 0.95, 1.0])
    rows += seeds("c", [3.0, 3.1, 2.9], decoder="attached") + seeds("d", [3.05, 2.95, 3.0], decoder="attached")
    (board,) = boards(results_frame(rows), {"mcn"})
    text = leaderboard(board)
    assert "mcn: a = b cannot be told apart." in text and "mcn: c = d cannot be told apart." in text


@pytest.mark.parametrize(
    ("column", "values", "said"), [("method", ["x", None], "column 'method' has rows without a value")]
)
def test_a_foreign_frame_with_holes_in_its_names_is_refused(tmp_path, column, values, said):
    path = tmp_path / "foreign.parquet"
    pd.DataFrame({"dataset": "d", "method": "x", "metric": "m", "value": [1.0, 2.0], column: values}).to_parquet(path)
    with pytest.raises(FrameError, match=said):
        read_frame(path)


def test_a_foreign_frame_need_not_say_which_way_a_known_metric_is_better(bench, tmp_path):
    names = ["knn_preservation", "knn_preservation_k20", "mcn", "mcn_median", "own"]
    rows = [{"dataset": "d", "method": m, "metric": n, "value": v} for m, v in (("x", 1.0), ("y", 2.0)) for n in names]
    pd.DataFrame(rows).to_parquet(tmp_path / "few.parquet")
    assert bench("report", "out", "--from", "few.parquet").returncode == 0
    (header,) = [line for line in (tmp_path / "out" / "report.md").read_text().splitlines() if "| method |" in line][:1]
    shown = [cell.strip() for cell in header.split("|")]
    assert {"knn_preservation ↑", "knn_preservation_k20 ↑", "mcn ↓", "mcn_median ↓", "own ↓"} <= set(shown)
    pd.DataFrame(rows).assign(better="larger").to_parquet(tmp_path / "few.parquet")
    refused = bench("report", "out", "--from", "few.parquet")
    assert refused.returncode == 2 and "'larger'" in refused.stderr


def test_a_foreign_frame_without_rows_has_a_report(bench, tmp_path):
    results_frame([]).to_parquet(tmp_path / "none.parquet")
    done = bench("report", "out", "--from", "none.parquet")
    assert done.returncode == 0 and "no results" in (tmp_path / "out" / "report.md").read_text()


def test_a_foreign_frame_may_have_one_seed_for_all_and_values_that_are_none(tmp_path):
    path = tmp_path / "foreign.parquet"
    rng = np.random.default_rng(0)
    rows = [{"dataset": "d", "method": m, "metric": "s", "value": rng.normal(), "seed": 0} for m in "xy" for _ in "123"]
    pd.DataFrame([*rows, {**rows[0], "value": np.inf}]).to_parquet(path)
    frame = read_frame(path)
    assert frame["value"].isna().sum() == 1
    (board,) = boards(frame, set())
    assert {r.entries["s"].mark for r in board.rows} == {"="}
