"""A result folder from somebody else cannot make a command write, or read, anywhere else."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import SMALL_SUITE

COMMANDS = {
    "run": ("run", "bench.toml", "--out", "out"),
    "plan": ("plan", "bench.toml", "--out", "out"),
    "status": ("status", "out"),
    "report": ("report", "out"),
    "a report of a frame": ("report", "out", "--from", "frame.parquet"),
    "sync": ("sync", "out"),
    "ui": ("ui", "out"),
    "table": ("report", "out", "--table", "csv"),
    "compare": ("compare", "out", "out"),
    "kernels": ("kernels", "--out", "out", "--quick"),
}


@pytest.fixture
def folder(finished, write_suite, tmp_path):
    write_suite(SMALL_SUITE)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").write_text("as it was")
    shutil.copy(finished(SMALL_SUITE) / "results.parquet", tmp_path / "frame.parquet")
    return shutil.copytree(finished(SMALL_SUITE), tmp_path / "out")


def _link(place, target):
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


@pytest.mark.parametrize(
    ("command", "place"),
    [*((command, "figures") for command in COMMANDS)]
    + [(command, place) for command in ("run", "report") for place in ("report.md", "ledger", "models/deep")],
)
def test_links_out_of_a_result_folder_are_refused(command, place, folder, bench, tmp_path):
    outside = tmp_path / "elsewhere"
    _link(folder / place, outside / "mine" if place == "report.md" else outside)
    done = bench(*COMMANDS[command])
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stdout
    assert f"out/{place}: a link that leads out of the result folder" in done.stderr
    assert [path.name for path in outside.iterdir()] == ["mine"]
    assert (outside / "mine").read_text() == "as it was"


def test_a_dangling_link_is_refused_too(folder, bench, tmp_path):
    _link(folder / "results.parquet", tmp_path / "elsewhere" / "not there yet")
    assert bench("report", "out").returncode == 2
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["mine"]


def test_a_link_to_the_whole_folder_and_links_within_it_are_fine(folder, bench, tmp_path):
    shutil.move(folder, tmp_path / "elsewhere" / "out")
    folder.symlink_to(tmp_path / "elsewhere" / "out")
    (folder / "latest.md").symlink_to("report.md")
    for command in ("run", "status", "report"):
        assert bench(*COMMANDS[command]).returncode == 0


def test_a_node_writes_into_no_other_folder(folder, bench, tmp_path):
    from bench.running import batch

    path = batch.write(folder, "one", [])
    _link(folder / "ledger", tmp_path / "elsewhere")
    done = bench("worker", str(path))
    assert done.returncode == 2 and "a link that leads out" in done.stderr
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["mine"]
