from __future__ import annotations

import json

import pytest

from bench.record.ledger import read
from tests.bench.comparison import assert_same_results, frame_of

TRADED = """
suite = "traded"
[run]
report_seeds = [0, 1]
tune_seeds = [7]
[tune]
trials = 4
batch = 2
objective = ["reconstruction_mse", "relaxed_distortion"]
[datasets.swiss_roll]
n = 120
[methods.irvae]
hidden = [8]
epochs = 60
learning_rate = 0.01
search = { iso_reg = { low = 0.1, high = 100.0, log = true } }
[metrics]
use = ["reconstruction_mse", "relaxed_distortion", "explained_variance"]
[report]
min_explained_variance = 0.0
[track]
mlflow = "off"
"""


def test_the_whole_front_is_reported_and_a_resumed_run_reports_the_same(bench, write_suite, tmp_path):
    write_suite(TRADED)
    done = bench("run", "--out", "out")
    assert done.returncode == 0, done.stderr
    frame = frame_of(tmp_path / "out")
    choice = read(tmp_path / "out").selections["swiss_roll", "irvae"]
    final = frame[(frame["phase"] == "final") & (frame["method"] == "irvae")]
    assert set(final["config_id"]) == {entry["config_id"] for entry in choice["front"]}
    assert all(set(rows["seed"]) == {0, 1} for _, rows in final.groupby("config_id"))
    tuned = frame[frame["phase"] == "tune"].pivot_table(index="config_id", columns="metric", values="value")
    for one, scores in tuned.iterrows():
        bettered = ((tuned <= scores).all(axis=1) & (tuned < scores).any(axis=1)).any()
        assert bettered != (one in set(final["config_id"]))
    report = (tmp_path / "out" / "report.md").read_text()
    assert "## Trade-offs" in report and "front-swiss_roll.png" in report
    # The table is of one configuration of each method.
    assert sum(line.startswith("| irvae | native") for line in report.splitlines()) == 1
    assert "reconstruction_mse ↓ (tuned)" in report and "relaxed_distortion ↓ (tuned)" in report

    again = bench("run", "--out", "out")
    assert again.returncode == 0 and "✓" not in again.stdout
    assert_same_results(frame, frame_of(tmp_path / "out"))
    assert all(row["todo"] == 0 for row in json.loads(bench("plan", "--out", "out", "--json").stdout))


def test_a_limit_that_nothing_keeps_is_said(bench, write_suite, tmp_path):
    one = TRADED.replace('objective = ["reconstruction_mse", "relaxed_distortion"]', 'objective = "relaxed_distortion"')
    write_suite(one.replace("[datasets", 'subject_to = { explained_variance = ">= 0.999" }\n[datasets', 1))
    done = bench("run", "--out", "out")
    assert done.returncode == 0, done.stderr
    frame = frame_of(tmp_path / "out")
    tuned = frame[(frame["phase"] == "tune") & (frame["metric"] == "explained_variance")].set_index("config_id")[
        "value"
    ]
    choice = read(tmp_path / "out").selections["swiss_roll", "irvae"]
    assert choice["config_id"] == tuned.astype(float).idxmax()
    report = (tmp_path / "out" / "report.md").read_text()
    assert "none of 4 trials keeps explained_variance >= 0.999: the one that comes nearest" in report
    assert "explained_variance ↑ (tuned)" in report


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ("objective = []", "tune.objective: list should have at least 1 item"),
        ('objective = ["mcn", "mcn"]', "tune.objective: 'mcn' is given twice"),
        ('objective = ["mcn", "stress", "continuity"]', "tune.objective: list should have at most 2 items"),
        ('objective = ["mcn", "geodesic_cv"]', "tune.objective: 'geodesic_cv' needs several seeds"),
        ('objective = ["mcn", "relaxed_distortion"]', "tune.objective: 'mcn' is not in metrics.use"),
        ("objective = 3", "tune.objective: input should be a valid list"),
        ('subject_to = { explained_variance = "0.9" }', "tune.subject_to.explained_variance: a limit such as '>= 0.9'"),
        ('subject_to = { explained_variance = ">= nan" }', "tune.subject_to.explained_variance: a limit such as"),
        ('subject_to = { explained = ">= 0.9" }', "tune.subject_to: unknown metric 'explained'"),
        ("subject_to = { explained_variance = 0.9 }", "tune.subject_to.explained_variance: input should be"),
    ],
)  # fmt: skip
def test_goals_that_cannot_be_used_are_named(bench, write_suite, tune, said):
    write_suite(TRADED.replace('objective = ["reconstruction_mse", "relaxed_distortion"]', tune))
    done = bench("run", "--out", "out")
    assert done.returncode == 2 and said in done.stderr and "bench.toml" in done.stderr


def test_models_of_a_front_have_names_of_their_own_in_mlflow(bench, write_suite, tmp_path):
    write_suite(TRADED.replace('[track]\nmlflow = "off"\n', ""))
    assert bench("run", "--out", "out").returncode == 0
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'out' / 'mlflow.db'}")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()], "tags.kind = 'final'")
    names = [run.info.run_name for run in runs]
    choice = read(tmp_path / "out").selections["swiss_roll", "irvae"]
    others = [entry["config_id"] for entry in choice["front"] if entry["config_id"] != choice["config_id"]]
    assert others and len(set(names)) == len(names) == 2 * (len(others) + 1)
    assert {f"irvae swiss_roll s{seed} {one[:6]}" for one in others for seed in (0, 1)} <= set(names)
    assert {"irvae swiss_roll s0", "irvae swiss_roll s1"} <= set(names)
