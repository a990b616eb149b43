from __future__ import annotations

import json

import pytest

COMMANDS = ["run", "plan", "status", "report", "sync", "list", "describe", "check", "ui", "doctor"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(bench, command):
    done = bench(command, "--help")
    assert done.returncode == 0 and "Usage" in done.stdout


@pytest.mark.parametrize("what", ["methods", "datasets", "metrics"])
def test_lists_are_tables_and_json(bench, what):
    rows = json.loads(bench("list", what, "--json").stdout)
    table = bench("list", what).stdout
    assert rows and all(row["name"] in table and row["status"] == "ok" for row in rows)


def test_describe_tells_what_one_needs_to_know(bench):
    found = json.loads(bench("describe", "irvae", "--json").stdout)
    assert found["parameters"]["iso_reg"] == 20.0
    assert found["preset published"]["iso_reg"] == 1000.0
    assert set(found["search space"]) == {"learning_rate", "iso_reg"}
    assert "ICLR" in found["about"] and found["capabilities"]["trains many models as one stack"]
    assert json.loads(bench("describe", "mcn", "--json").stdout)["better"] == "lower"
    assert "swiss" in bench("describe", "swiss_roll").stdout.lower()
    wrong = bench("describe", "irvea")
    assert wrong.returncode == 2 and "did you mean 'irvae'" in wrong.stderr


MINE = '''
import numpy as np


class Mine:
    """The first columns."""

    def __init__(self, latent_dim: int = 2):
        self.latent_dim = latent_dim

    def fit(self, X):
        if not np.isfinite(X).all():
            raise ValueError("X is not finite")
        return self

    def encode(self, X):
        return np.asarray(X[:, : self.latent_dim], dtype=np.float32)


class Careless(Mine):
    def __init__(self, latent_dim: int = 2):
        self.latent_dim = latent_dim + 1

    def fit(self, X):
        X[:] = 0
        np.random.seed(0)

    def encode(self, X):
        return X[0]
'''


def test_somebodys_own_method_is_checked(bench, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    done = bench("check", "mine.py:Mine", "--json")
    assert done.returncode == 0, done.stdout
    found = {row["check"]: row["status"] for row in json.loads(done.stdout)}
    assert found["encoding"] == "passed" and found["decoding"] == "not offered"
    careless = bench("check", "mine.py:Careless", "--json")
    assert careless.returncode == 1
    found = {row["check"]: row["status"] for row in json.loads(careless.stdout)}
    for check in (
        "hyperparameters_are_the_signature", "fit_returns_self", "fit_leaves_data_alone", "encoding",
        "global_randomness_is_left_alone", "unusable_data_is_refused",
    ):  # fmt: skip
        assert found[check] == "failed", check


def test_doctor_finds_a_healthy_installation_and_a_broken_plugin(bench, bench_process, tmp_path):
    healthy = bench("doctor", "--json")
    assert healthy.returncode == 0, healthy.stdout
    assert {"torch", "mlflow", "cores"} <= {row["what"] for row in json.loads(healthy.stdout)}
    info = tmp_path / "plugins" / "someplugin-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: someplugin\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[bench.methods]\nbad = nowhere:Bad\n")
    ill = bench_process("doctor", PYTHONPATH=str(tmp_path / "plugins"), LATENTBENCH_DATA="/nowhere")
    assert ill.returncode == 1 and "someplugin" in ill.stdout and "/nowhere" in ill.stdout


def test_an_unknown_status_to_retry_is_named(bench, write_suite):
    write_suite()
    done = bench("run", "--retry", "failled")
    assert done.returncode == 2 and "did you mean 'failed'" in done.stderr


def test_cuda_where_there_is_none_is_bad_input(bench, write_suite):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    write_suite()
    done = bench("run", "--device", "cuda")
    assert done.returncode == 2 and "CUDA" in done.stderr
