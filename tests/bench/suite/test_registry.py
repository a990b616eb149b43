from __future__ import annotations

import json
import sys

import pytest

from bench import registry
from bench.errors import BadInputError
from bench.suite import listing


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install a distribution with these modules and entry points on the import path."""

    def install(modules: dict[str, str], points: str) -> str:
        for name, source in modules.items():
            (tmp_path / name).write_text(source)
        info = tmp_path / "someplugin-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: someplugin\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(points)
        monkeypatch.syspath_prepend(str(tmp_path))
        return str(tmp_path)

    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


GOOD = 'class Good:\n    """A good method."""\n    def fit(self, X):\n        return self\n'


def test_built_ins_are_found_by_name():
    assert {"pca", "isomap", "umap", "tsne", "ae", "vae", "irvae"} <= set(registry.names("method"))
    assert registry.method("irvae").__name__ == "IRVAE"
    assert registry.dataset("swiss_roll")(n=50).load().X.shape == (50, 3)
    assert registry.metric("mcn").better == "lower"
    assert all(entry.status == "ok" and entry.summary for kind in registry.KINDS for entry in listing.entries(kind))


def test_a_neighbourhood_metric_has_variants_at_other_k():
    metric = registry.metric("knn_preservation_k20")
    assert metric.name == "knn_preservation_k20" and metric.better == "higher"
    with pytest.raises(BadInputError, match="number of neighbours"):
        registry.metric("stress_k20")


def test_third_parties_come_by_the_same_door(plugin):
    plugin({"goodmod.py": GOOD}, "[bench.methods]\ngood = goodmod:Good\n")
    (entry,) = [entry for entry in listing.entries("method") if entry.name == "good"]
    assert (entry.status, entry.origin, entry.summary) == ("ok", "someplugin 1.2", "A good method.")
    assert registry.method("good").__name__ == "Good"


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (GOOD, "nowhere:Good", "no module 'nowhere'"),
        (GOOD, "badmod:Bad", "does not define 'Bad'"),
        ("class Bad(:\n", "badmod:Bad", "invalid syntax"),
        ("import notinstalledanywhere\nclass Bad: pass\n", "badmod:Bad", "'notinstalledanywhere'"),
        ("raise RuntimeError('boom')\nclass Bad: pass\n", "badmod:Bad", "raises when imported"),
    ],
)
def test_a_broken_plugin_is_a_visible_row_and_an_error_when_selected(plugin, source, target, said):
    plugin({"badmod.py": source}, f"[bench.methods]\nbad = {target}\n")
    (entry,) = [entry for entry in listing.entries("method") if entry.name == "bad"]
    assert entry.status == "broken" and said in entry.reason
    assert "badmod" not in sys.modules
    with pytest.raises(BadInputError, match=r"method 'bad' .* from someplugin 1\.2\) is broken"):
        registry.method("bad")


def test_a_plugin_cannot_take_the_name_of_a_built_in(plugin):
    plugin({"goodmod.py": GOOD}, "[bench.methods]\npca = goodmod:Good\n")
    assert registry.method("pca").__module__ == "methods.pca"


def test_a_file_is_a_component(tmp_path):
    (tmp_path / "mine.py").write_text(GOOD)
    assert registry.load("method", "mine.py:Good", tmp_path).__name__ == "Good"
    with pytest.raises(BadInputError, match="has no 'Goof'; did you mean 'Good'"):
        registry.load("method", "mine.py:Goof", tmp_path)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(BadInputError, match="ZeroDivisionError"):
        registry.load("method", "broken.py:Good", tmp_path)


def test_listing_imports_nothing_heavy_and_shows_broken_plugins(bench_process, plugin):
    folder = plugin({}, "[bench.methods]\nbad = nowhere:Bad\n")
    done = bench_process("list", "methods", "--json", PYTHONPATH=folder)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["bad"]["status"] == "broken" and rows["irvae"]["status"] == "ok"
    code = (
        "import sys\nsys.argv = ['bench', 'list', 'methods']\nfrom bench.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'umap', 'mlflow', 'optuna', 'sklearn', 'numba', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    import subprocess

    subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True)


def test_another_package_of_our_name_is_noticed(bench_process, tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("")
    done = bench_process("list", "methods", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2 and "Hugging Face" in done.stderr and done.stderr.count("\n") == 1
