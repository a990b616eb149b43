"""How cells become stacks, by the workers there are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.plan.stacking import Stacking, n_at_once
from bench.suite.config import load_suite
from tests.bench.comparison import frame_of


@pytest.mark.parametrize(
    ("n_cells", "n_pairs", "n_workers", "least", "sizes"),
    [
        (3, 1, 2, 4, [3]),  # too few to deal out
        (3, 1, 2, 1, [2, 1]),
        (10, 1, 2, 4, [5, 5]),
        (10, 1, 1, 4, [10]),
        (10, 1, 16, 4, [5, 5]),
        (10, 1, 16, 1, [1] * 10),
        (11, 1, 16, 4, [6, 5]),
        (10, 16, 16, 4, [10]),  # the other pairs keep the workers busy
        (10, 3, 2, 4, [5, 5]),  # three stacks of ten would leave a worker idle at the end
        (20, 1, 1, 4, [10, 10]),  # more than 16
    ],
)
def test_cells_are_dealt_out_so_that_no_worker_idles(n_cells, n_pairs, n_workers, least, sizes):
    assert Stacking(n_pairs, n_workers, largest=16).sizes(n_cells, least) == sizes


@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 64), st.integers(1, 16), st.integers(1, 9))
def test_every_cell_is_in_a_stack_and_no_stack_is_too_large(n_cells, n_pairs, n_workers, largest, least):
    sizes = Stacking(n_pairs, n_workers, largest).sizes(n_cells, least)
    assert sum(sizes) == n_cells and min(sizes) >= 1 and max(sizes) <= largest
    assert max(sizes) - min(sizes) <= 1


def test_workers_are_as_many_as_there_can_be_jobs(write_suite):
    def n_jobs(text, n_workers=16):
        suite = load_suite(write_suite(text))
        return n_at_once(suite, Stacking.of(suite, n_workers, "cpu"))

    suite = SUITE.replace("STACK", "")
    assert n_jobs(suite) == 2  # four seeds of each method as one stack
    assert n_jobs(suite, 1) == 2
    assert n_jobs(suite.replace("[0, 1, 2, 3]", "[0, 1, 2, 3, 4, 5, 6, 7]")) == 3  # isomap embeds once for all
    assert n_jobs(suite.replace("isomap", "umap")) == 1 + 4
    assert n_jobs(suite.replace("[methods.isomap]\nepochs = 3\nhidden = [8]", "[methods.pca]")) == 1 + 4
    tuned = suite + "[tune]\ntrials = 8\nbatch = 6\nobjective = 'knn_preservation'\n"
    assert n_jobs(tuned) == 1 + 6  # trials that differ in learning rate only, and in neighbours


SUITE = """
suite = "stacked"
[run]
report_seeds = [0, 1, 2, 3]
timeout = "60s"
STACK
[datasets.swiss_roll]
n = 160
[methods.ae]
epochs = 30
hidden = [8]
[methods.isomap]
epochs = 3
hidden = [8]
[metrics]
use = ["knn_preservation", "reconstruction_mse"]
[track]
mlflow = "off"
"""


def test_a_suite_gives_the_same_results_in_stacks_and_one_by_one(bench, write_suite, tmp_path):
    frames = {}
    for name, line in (("together", ""), ("alone", "stack = 1"), ("pairs", "stack = 2")):
        write_suite(SUITE.replace("STACK", line))
        done = bench("run", "--out", name)
        assert done.returncode == 0, done.stdout + done.stderr
        frames[name] = frame_of(tmp_path / name).sort_values(["method", "seed", "metric"])
    sizes = {name: set(frame["stack_size"]) for name, frame in frames.items()}
    assert sizes == {"together": {4}, "alone": {1}, "pairs": {2}}
    for name in ("alone", "pairs"):
        np.testing.assert_allclose(frames[name]["value"], frames["together"]["value"], rtol=1e-4)


def test_what_is_missing_of_a_request_trains_in_the_stacks_of_the_whole(bench, write_suite, tmp_path):
    write_suite(SUITE.replace("STACK", "stack = 2"))
    assert bench("run", "--out", "out", "-m", "ae").returncode == 0
    (ledger,) = (tmp_path / "out" / "ledger").glob("*.jsonl")
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    for entry in entries:
        if entry["kind"] == "job":
            entry["records"] = [record for record in entry["records"] if record["cell"]["seed"] in (0, 3)]
    ledger.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert bench("run", "--out", "out", "-m", "ae").returncode == 0
    frame = frame_of(tmp_path / "out").drop_duplicates("seed").set_index("seed")
    # Seeds 1 and 2 are of different stacks of the request: they do not become one of their own.
    assert frame["stack_size"].to_dict() == {0: 2, 1: 1, 2: 1, 3: 2}


def test_a_stack_of_no_models_is_refused(bench, write_suite):
    write_suite(SUITE.replace("STACK", "stack = 0"))
    done = bench("run")
    assert done.returncode == 2 and "run.stack" in done.stderr and "Traceback" not in done.stderr
