"""Broken files of every kind: a clear error or a correct result, never a traceback, a hang or a file elsewhere."""

from __future__ import annotations

import json
import random
import shutil
import signal
import tomllib
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli_w

from bench.commands import plan_suite, status_of, write_report
from bench.errors import BadInputError
from bench.library import load_results
from bench.plan.jobs import Job, Setting, job_to_json
from bench.record import models
from bench.record.ledger import Ledger, read
from bench.report import frame_of_ledger, write_results
from bench.running import batch
from bench.running.answer import answer
from bench.suite.config import load_suite
from bench.suite.metrics import metric_choice
from datasets.from_file import FileData
from tests.bench import mutations

SUITE = """
suite = "fuzz"
[run]
report_seeds = [0, 1]
tune_seeds = [100]
timeout = "60s"
memory = "2GB"
[tune]
trials = 2
batch = 2
sampler = "random"
objective = "knn_preservation"
subject_to = { reconstruction_mse = "<= 10" }
[datasets.swiss_roll]
n = 60
[datasets.mine]
target = "file"
path = "X.csv"
labels = "X.csv:y"
[methods."*"]
latent_dim = 2
[methods.pca]
[methods.ae]
epochs = 2
hidden = [8]
search.learning_rate = { low = 1e-4, high = 1e-2, log = true }
[methods.wide]
target = "ae"
latent_dim = { axis = [1, 2] }
epochs = 2
[metrics]
use = ["knn_preservation", "neighbourhood", "mcn"]
[executor]
target = "local"
[track]
mlflow = "off"
[[claims]]
statement = "An autoencoder keeps more neighbours than PCA."
source = "nobody"
metric = "knn_preservation"
left = "ae"
right = "pca"
rule = "left > 0.9 right"
"""
TABLE = "a,b,c,y\n" + "".join(f"{i / 10},{i * 7 % 11},{i * 3 % 5},{i % 3}\n" for i in range(60))

few_and_many = pytest.mark.parametrize("n", [60, pytest.param(2_000, marks=pytest.mark.slow)], ids=["few", "many"])
# pandas and others warn of what they are given here.
pytestmark = pytest.mark.filterwarnings("ignore")


@contextmanager
def within_seconds(seconds: int, what: str):
    def late(number: int, frame: object) -> None:
        raise AssertionError(f"hangs on {what}")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def is_survived(call: Callable[[], Any], broken: object, answer: type[Exception] = BadInputError) -> bool:
    """Whether there was a result; if not, the error that is an answer."""
    with within_seconds(30, repr(broken)[:2_000]):
        try:
            call()
        except answer:
            return False
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}, for {broken!r:.3000}") from error
    return True


def without_none(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: without_none(value) for key, value in tree.items() if value is not None}
    return [without_none(value) for value in tree if value is not None] if isinstance(tree, list) else tree


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "X.csv").write_text(TABLE)
    return tmp_path


@pytest.fixture
def source(finished):
    """A small finished run, to be read."""
    return finished(SUITE.replace('[datasets.mine]\ntarget = "file"\npath = "X.csv"\nlabels = "X.csv:y"\n', ""))


@few_and_many
def test_suites(n, folder):
    rng = random.Random(0)
    path, tables, good = folder / "bench.toml", tomllib.loads(SUITE), 0
    for at in range(n):
        try:
            text = tomli_w.dumps(without_none(mutations.of_tree(tables, rng))).encode()
        except (TypeError, ValueError):
            continue
        path.write_bytes(text if at % 2 else mutations.of_bytes(SUITE.encode(), rng))

        def call(at: int = at) -> None:
            suite = load_suite(path)
            if at % 5 == 0:
                plan_suite(suite, folder / "none", "*", "*")

        good += is_survived(call, path.read_bytes())
    assert good


@few_and_many
def test_ledgers(n, source, folder):
    rng = random.Random(1)
    lines = [line for path in (source / "ledger").glob("*.jsonl") for line in path.read_bytes().splitlines()]
    (folder / "out" / "ledger").mkdir(parents=True)
    for at in range(n // 4 if n > 100 else n):
        broken, which = list(lines), rng.randrange(len(lines))
        if at % 2:
            broken[which] = json.dumps(mutations.of_tree(json.loads(lines[which]), rng)).encode()
        else:
            broken[which] = mutations.of_bytes(lines[which], rng)
        (folder / "out" / "ledger" / "a.jsonl").write_bytes(b"\n".join(broken) + b"\n")

        def call(at: int = at) -> None:
            ledger = read(folder / "out")
            status_of(folder / "out")
            frame_of_ledger(ledger)
            if at % 20 == 0:
                write_results(folder / "out", ledger)

        is_survived(call, broken[which])
    assert {path.name for path in folder.iterdir()} == {"X.csv", "out"}


@few_and_many
def test_frames(n, source, folder):
    rng = random.Random(2)
    frame = pd.read_parquet(source / "results.parquet")
    data = (source / "results.parquet").read_bytes()
    path, n = folder / "frame.parquet", n // 4 if n > 100 else n // 3
    for at in range(n):
        done = ""
        if at % 2:
            path.write_bytes(mutations.of_bytes(data, rng))
        else:
            broken, column, kind = frame.copy(), rng.choice(list(frame.columns)), rng.randrange(6)
            done = f"{column} {kind}"
            if kind == 0:
                broken = broken.drop(columns=column)
            elif kind == 1:
                broken[column] = rng.choice((None, "x", "", 3, -1.5, float("inf"), True, "<script>|[b]"))
            elif kind == 2:
                broken = broken.head(rng.randrange(3))
            elif kind == 3:
                broken = pd.concat([broken, broken])
            elif kind == 4:
                broken[column] = broken[column].sample(frac=1, random_state=at).to_numpy()
            else:
                broken.loc[broken.index[::2], column] = None
            broken.to_parquet(path)
        is_survived(lambda: write_report(folder / "out", path), done or path.read_bytes())


@few_and_many
def test_jobs(n, source, folder):
    rng = random.Random(3)
    cell = next(iter(Ledger(source).records.values())).cell
    setting = Setting(str(folder), str(folder / "out"), "cpu", 60.0, 4 * 10**9)
    text = job_to_json(Job((cell,), (metric_choice("knn_preservation", folder),), "test", setting))
    (folder / "out" / "batches").mkdir(parents=True)
    for at in range(n // 4 if n > 100 else n):
        tree = json.dumps(mutations.of_tree(json.loads(text), rng)).encode()
        job = tree if at % 2 else mutations.of_bytes(text.encode(), rng)
        (folder / "out" / "batches" / "one.json").write_bytes(b'{"jobs": [' + job + b"]}")

        def call() -> None:
            for made in batch.read(folder / "out" / "batches" / "one.json"):
                assert made.setting.out == str(folder / "out")
                assert answer(made)["event"] in ("done", "failed")

        is_survived(call, job)
    assert {path.name for path in folder.iterdir()} == {"X.csv", "out"}


@few_and_many
def test_data(n, folder):
    rng = random.Random(4)
    X = np.random.default_rng(0).normal(size=(40, 3))
    np.save("X.npy", X)
    np.savez("X.npz", X=X, y=np.arange(40) % 3)
    pd.read_csv("X.csv").to_parquet("t.parquet")
    import h5py

    with h5py.File("t.h5ad", "w") as file:
        file["X"] = X
        file.create_group("obsm")["u"] = X
    files = {name: (folder / name).read_bytes() for name in ("X.npy", "X.npz", "X.csv", "t.parquet", "t.h5ad")}
    parts = {
        "X.npy": {}, "X.npz": {"path": "X.npz:X", "labels": "X.npz:y"}, "X.csv": {"labels": "X.csv:y"},
        "t.parquet": {"labels": "t.parquet:y"}, "t.h5ad": {"path": "t.h5ad:obsm/u"},
    }  # fmt: skip
    for _ in range(n // 4 if n > 100 else n):
        name = rng.choice(list(files))
        (folder / name).write_bytes(mutations.of_bytes(files[name], rng))
        given = {"path": name, **parts[name], "suite_folder": str(folder)}
        # The runner makes a failure, or a message of `bench plan`, of a ValueError.
        is_survived(lambda given=given: FileData(**given).load(), (given, (folder / name).read_bytes()), ValueError)
        (folder / name).write_bytes(files[name])


@few_and_many
def test_models(n, source, folder):
    rng = random.Random(5)
    shutil.copytree(source, folder / "out")
    known = [path for path in (folder / "out" / "models").rglob("*") if path.is_file()]
    frame = pd.read_parquet(source / "results.parquet").query("phase == 'final' and seed == 0")
    pairs = sorted(set(zip(frame["method"], frame["dataset"], strict=True)))
    for at in range(n // 4 if n > 100 else n):
        path = rng.choice(known)
        data = path.read_bytes()
        if path.suffix == ".json" and at % 2:
            path.write_text(json.dumps(mutations.of_tree(json.loads(data), rng)))
        else:
            path.write_bytes(mutations.of_bytes(data, rng))

        def call(at: int = at, pair: tuple[str, str] = rng.choice(pairs), folder_of: Path = path.parent) -> None:
            results = load_results(folder / "out")
            results.embedding(*pair)
            results.model(*pair)
            models.load_curves(folder_of)
            if at % 30 == 0:
                write_report(folder / "out", None)

        is_survived(call, (path.name, path.read_bytes()[:500]))
        path.write_bytes(data)
