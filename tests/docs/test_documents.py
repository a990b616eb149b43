"""What the documents show runs as it stands: each page is followed in an empty folder, block after block."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.suite import registry

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(python|toml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\w+\.(?:py|toml))\n")


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Language and text of each block."""
    return (match.groups() for match in BLOCK.finditer((DOCS / f"{page}.md").read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", ["tour", "questions", "bring", "extend", "python"])
def test_a_page_runs_from_an_empty_folder(page, bench, tmp_path):
    names: dict[str, object] = {}
    n_run = 0
    for language, text in blocks(page):
        named = NAMED.match(text)
        if named:
            (tmp_path / named[1]).write_text(text)
        elif language == "python":
            exec(compile(text, f"{page}.md", "exec"), names)
            n_run += 1
        elif language == "console":
            for line in re.findall(r"^\$ (.+)$", text, re.MULTILINE):
                follow(shlex.split(line), bench, tmp_path)
                n_run += 1
    assert n_run


def follow(command: list[str], bench, folder: Path) -> None:
    program, *arguments = command
    if program == "bench":
        done = bench(*arguments)
    else:
        done = subprocess.run(
            [sys.executable, "-m", program, "-q", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def test_each_metric_has_a_paragraph():
    headings = re.findall(r"^### (\w+)$", (DOCS / "metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == registry.names("metric")


def test_the_page_of_all_methods_is_what_their_classes_say():
    spec = importlib.util.spec_from_file_location("zoo", DOCS / "zoo.py")
    zoo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(zoo)
    assert (DOCS / "zoo.md").read_text(encoding="utf-8") == zoo.page(), "run `python docs/zoo.py`"
    assert all(registry.method(name).loss for name in registry.names("method"))


@pytest.mark.slow
def test_the_pages_are_built_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="`make docs` installs what builds the pages")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "relaxed_distortion" in (tmp_path / "api.html").read_text(encoding="utf-8")
