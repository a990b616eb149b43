"""`bench reproduce`: protocols that can be run, and a page of claims at the end."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from bench import reproduce
from bench.errors import BadInputError
from bench.running.coordinator import Options

TINY = """
suite = "tiny"
[run]
report_seeds = [0, 1, 2]
[datasets.s_curve]
n = 2000
[methods.pca]
[methods.ae]
epochs = 500
hidden = [16]
[metrics]
use = ["reconstruction_mse"]
[track]
mlflow = "off"
[[claims]]
statement = "An autoencoder reconstructs better than PCA."
source = "textbooks"
published = "obvious"
metric = "reconstruction_mse"
left = "ae"
right = "pca"
rule = "left < right"
[[claims]]
statement = "PCA reconstructs better than an autoencoder."
source = "nobody"
metric = "reconstruction_mse"
left = "pca"
right = "ae"
rule = "left < right"
[small.datasets]
s_curve = { n = 300 }
[small.methods]
ae = { epochs = 200, learning_rate = 1e-2 }
"""


@pytest.mark.parametrize("scale", ["small", "paper"])
@pytest.mark.parametrize("name", reproduce.files_of(reproduce.ALL))
def test_every_protocol_can_be_read_and_has_claims(name, scale):
    suite = reproduce.protocol(name, scale)
    assert suite.name == f"{name}-{scale}" and suite.claims
    assert len(suite.report_seeds) >= 5
    assert "[small" not in suite.text and "[paper" not in suite.text


def test_an_overlay_replaces_keys_and_keeps_the_others():
    below = {"a": {"x": 1, "y": {"z": 2}}, "b": [1, 2]}
    assert reproduce.laid_over(below, {"a": {"y": {"w": 3}}, "b": [4], "c": 5}) == {
        "a": {"x": 1, "y": {"z": 2, "w": 3}}, "b": [4], "c": 5
    }  # fmt: skip
    assert below["b"] == [1, 2]
    assert reproduce.laid_over({"claims": [1]}, {"claims": [2]}) == {"claims": [1, 2]}


def test_a_protocol_is_run_and_its_claims_are_judged(tmp_path: Path, monkeypatch):
    (tmp_path / "tiny.toml").write_text(TINY)
    monkeypatch.setattr(reproduce, "PROTOCOLS", tmp_path)
    monkeypatch.setattr(reproduce, "SYSTEMS", {"tiny": ("tiny",)})
    said = io.StringIO()
    console = Console(file=said, width=80)
    out = tmp_path / "out"
    assert reproduce.reproduce("tiny", "small", out, Options(1, "cpu"), console, quiet=True) == 0
    page = (out / "claims.md").read_text()
    assert "1 of 2 claims reproduced, 1 not, 0 inconclusive." in page
    assert "## tiny-small" in page and "An autoencoder reconstructs better than PCA." in page
    assert "✓ reproduced: An autoencoder reconstructs better than PCA." in said.getvalue()
    assert "## Claims" in (out / "tiny-small" / "report.md").read_text()
    assert '<h2 id="claims">' in (out / "tiny-small" / "report.html").read_text()
    again = reproduce.claims_page([out / "tiny-small"])
    assert again == page


def test_an_unknown_system_is_refused_with_those_there_are():
    with pytest.raises(BadInputError, match=r"unknown system 'vae'; known are irvae, nrae, .* and all"):
        reproduce.files_of("vae")
