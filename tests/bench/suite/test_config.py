"""bench.toml: what is accepted, and that whatever is not gets one clear line and exit code 2."""

from __future__ import annotations

import pytest

from bench.errors import BadInputError
from bench.suite import registry
from bench.suite.choices import starting_point
from bench.suite.config import load_suite
from tests.conftest import SMALL_SUITE

GOOD = 'suite = "s"\n[datasets.swiss_roll]\nn = 100\n[methods.pca]\n'

BROKEN = {
    "empty": (b"", "suite: is missing"),
    "binary": (bytes(range(256)), "UTF-8"),
    "not toml": (b"suite = = 3", "not valid TOML"),
    "huge": (b"# " + b"x" * 2_000_000, "at most"),
    "deeply nested": (b"suite = " + b"[" * 5_000, "TOML"),
    "huge number": (f'{GOOD}[run]\nreport_seeds = [{"9" * 5_000}]\n'.encode(), "TOML"),
    "no datasets": (b'suite = "s"\n[methods.pca]\n', "datasets: is missing"),
    "no methods": (b'suite = "s"\n[methods]\n[datasets.digits]\n', "methods"),
    "suite is a number": (b"suite = 3\n[datasets.digits]\n[methods.pca]\n", "suite:"),
    "suite is a path": (b'suite = "../../etc"\n[datasets.digits]\n[methods.pca]\n', "suite:"),
    "unknown table": (f"{GOOD}[rum]\n".encode(), "did you mean 'run'"),
    "unknown key": (f"{GOOD}[run]\nreport_seed = [1]\n".encode(), "run.report_seed: unknown key; did you mean 'report_seeds'"),
    "wrong type": (f'{GOOD}[run]\nreport_seeds = "all"\n'.encode(), "run.report_seeds"),
    "boolean seed": (f"{GOOD}[run]\nreport_seeds = [true]\n".encode(), "report_seeds.0"),
    "negative seed": (f"{GOOD}[run]\nreport_seeds = [-1]\n".encode(), "report_seeds"),
    "no seeds": (f"{GOOD}[run]\nreport_seeds = []\n".encode(), "report_seeds"),
    "seed twice": (f"{GOOD}[run]\nreport_seeds = [1, 1]\n".encode(), "given twice"),
    "seeds overlap": (f"{GOOD}[run]\nreport_seeds = [1]\ntune_seeds = [1]\n".encode(), "tune_seeds: [1]"),
    "timeout without unit": (f'{GOOD}[run]\ntimeout = "10"\n'.encode(), "run.timeout"),
    "memory as a number": (f"{GOOD}[run]\nmemory = 8\n".encode(), "run.memory"),
    "negative trials": (f"{GOOD}[tune]\ntrials = -4\n".encode(), "tune.trials"),
    "unknown sampler": (f'{GOOD}[tune]\nsampler = "tpee"\n'.encode(), "tune.sampler"),
    "unknown objective": (f'{GOOD}[tune]\nobjective = "mcnn"\n'.encode(), "tune.objective: unknown metric 'mcnn'"),
    "unknown metric": (f'{GOOD}[metrics]\nuse = ["mcm"]\n'.encode(), "did you mean 'mcn'"),
    "metric without k": (f'{GOOD}[metrics]\nuse = ["mcn_k20"]\n'.encode(), "number of neighbours"),
    "unknown dataset": (b'suite = "s"\n[datasets.digit]\n[methods.pca]\n', "unknown dataset 'digit'; did you mean 'digits'"),
    "unknown method": (b'suite = "s"\n[datasets.digits]\n[methods.irva]\n', "did you mean 'irvae'"),
    "unknown parameter": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nlearning_rat = 1\n', "did you mean 'learning_rate'"),
    "wrong parameter type": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nlatent_dim = "two"\n', "methods.ae.latent_dim"),
    "unusable parameter": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nlatent_dim = -2\n', "latent_dim must be positive"),
    "nan parameter": (b'suite = "s"\n[datasets.digits]\n[methods.vae]\nbeta = nan\n', "methods.vae.beta"),
    "date parameter": (b'suite = "s"\n[datasets.digits]\n[methods.vae]\nbeta = 2020-01-01\n', "methods.vae.beta"),
    "runner's parameter": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nrandom_state = 3\n', "report_seeds"),
    "unknown preset": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\npreset = "paper"\n', "published"),
    "search not a table": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nsearch = 3\n', "methods.ae.search"),
    "search upside down": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nsearch = {learning_rate = {low = 1.0, high = 0.1}}\n', "low must be below high"),
    "search with a negative step": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nsearch = {latent_dim = {low = 1, high = 9, step = -1}}\n', "step: must be positive"),
    "search with a broken step": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nsearch = {latent_dim = {low = 1, high = 9, step = 0.5}}\n', "search.latent_dim"),
    "search of unknown": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nsearch = {lr = [1]}\n', "search.lr"),
    "search of log zero": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nsearch = {learning_rate = {low = 0.0, high = 0.1, log = true}}\n', "positive low"),
    "search and value": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nlatent_dim = 2\nsearch = {latent_dim = [2, 3]}\n', "fixed value"),
    "missing file target": (b'suite = "s"\n[datasets.mine]\ntarget = "./no.py:Mine"\n[methods.pca]\n', "there is no file"),
    "target is a number": (b'suite = "s"\n[datasets.mine]\ntarget = 3\n[methods.pca]\n', "datasets.mine.target"),
    "name with a slash": (b'suite = "s"\n[datasets."a/b"]\ntarget = "digits"\n[methods.pca]\n', "a/b"),
    "preset of lists": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\npreset = ["published"]\n', "methods.ae.preset"),
    "too little memory": (f'{GOOD}[run]\nmemory = "1MB"\n'.encode(), "run.memory"),
    "null byte": (b'suite = "s"\n[datasets.mine]\ntarget = "a\\u0000.py:A"\n[methods.pca]\n', "not a path"),
    "endless digits": (f'suite = "s"\n[datasets.digits]\nn = 0x{"f" * 5_000}\n[methods.pca]\n'.encode(), "datasets.digits.n"),
    "unusable choice": (b'suite = "s"\n[datasets.digits]\n[methods.ae]\nsearch = {learning_rate = [-1.0, 0.01]}\n', "search.learning_rate: learning_rate must be positive"),
    "mlflow nonsense": (f'{GOOD}[track]\nmlflow = "yes please"\n'.encode(), "track.mlflow"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_gets_one_clear_line(tmp_path, name):
    content, said = BROKEN[name]
    path = tmp_path / "bench.toml"
    path.write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        load_suite(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("path", ["nothing.toml", "."])
def test_a_path_that_is_no_file_is_named(tmp_path, path):
    with pytest.raises(BadInputError, match=r"file"):
        load_suite(tmp_path / path)


@pytest.mark.parametrize("name", ["empty", "unknown key", "unknown method"])
def test_the_command_line_says_it_in_one_line_and_exits_with_2(bench, tmp_path, name):
    (tmp_path / "bench.toml").write_bytes(BROKEN[name][0])
    for command in ("run", "plan"):
        done = bench(command)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
        assert BROKEN[name][1] in done.stderr


def test_a_data_set_that_cannot_be_loaded_is_bad_input(bench, write_suite):
    write_suite(SMALL_SUITE.replace("n = 160", "n = -5"))
    done = bench("run")
    assert done.returncode == 2 and "datasets.swiss_roll: n must be at least 4, got -5" in done.stderr


HOSTILE = {
    "exits when imported": ("import sys\nsys.exit(0)\n", "SystemExit"),
    "exits when made": (
        "import sys\nclass Mine:\n    def __init__(self): sys.exit(0)\n    def fit(self, X): ...\n",
        "SystemExit",
    ),
    "fails when made": (
        "class Mine:\n    def __init__(self): raise KeyError('k')\n    def fit(self, X): ...\n",
        "KeyError",
    ),
    "no fit": ("class Mine: ...\n", "a class with a method fit"),
    "a function": ("def Mine(): ...\n", "a class with a method fit"),
    "odd default": (
        "class Mine:\n    def __init__(self, a=object()): self.a = a\n    def fit(self, X): ...\n",
        "methods.mine.a",
    ),
    "odd search space": (
        "class Mine:\n    search_space = {'a': 'b'}\n    def __init__(self, a=1): self.a = a\n    def fit(self, X): ...\n",
        "search_space.a",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_target_gets_one_clear_line(write_suite, tmp_path, name):
    source, said = HOSTILE[name]
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(BadInputError) as caught:
        load_suite(write_suite(GOOD + '[methods.mine]\ntarget = "./mine.py:Mine"\n'))
    assert said in str(caught.value) and "methods.mine" in str(caught.value)


def test_a_byte_order_mark_and_lower_case_units_are_understood(tmp_path):
    (tmp_path / "bench.toml").write_text("\ufeff" + GOOD + '[run]\nmemory = "2gb"\n', encoding="utf-8")
    assert load_suite(tmp_path / "bench.toml").memory == 2 * 10**9


def test_everything_in_the_design_documents_example_is_understood(write_suite, tmp_path):
    (tmp_path / "data.py").write_text(
        "import numpy as np\nfrom datasets.base import Data\n"
        "class Mine:\n    def load(self):\n        return Data(np.random.default_rng(0).normal(size=(20, 3)))\n"
    )
    suite = load_suite(
        write_suite("""
suite = "quickstart"
[run]
report_seeds = [0, 1, 2]
tune_seeds = [100]
timeout = "10m"
memory = "8GB"
[tune]
trials = 4
batch = 2
sampler = "tpe"
objective = "knn_preservation"
[datasets.digits]
[datasets.swiss_roll]
n = 2000
noise = 0.05
[datasets.mnist01]
target = "mnist"
digits = [0, 1]
[datasets.mine]
target = "./data.py:Mine"
[methods.irvae]
latent_dim = 2
preset = "published"
search = { iso_reg = { low = 1.0, high = 1e4, log = true } }
[methods.umap]
search = { n_neighbors = [5, 15, 50] }
[metrics]
use = ["reconstruction_mse", "knn_preservation", "trustworthiness", "relaxed_distortion", "mcn"]
[track]
mlflow = "sqlite"
""")
    )
    assert (suite.timeout, suite.memory, suite.report_seeds) == (600, 8 * 10**9, (0, 1, 2))
    irvae, umap = suite.methods
    assert irvae.params["hidden"] == [256] * 4 and set(irvae.search) == {"iso_reg"}
    assert umap.search == {"n_neighbors": [5, 15, 50]}
    assert suite.datasets[2].params["digits"] == [0, 1]


def test_keys_override_the_preset_and_leave_the_search_space(write_suite):
    text = SMALL_SUITE + '[methods.vae]\npreset = "published"\nepochs = 7\nlearning_rate = 0.01\n'
    vae = load_suite(write_suite(text)).methods[-1]
    assert vae.params["epochs"] == 7 and vae.params["hidden"] == [256] * 4
    assert vae.search == {}


def test_a_searched_preset_starts_from_the_preset(write_suite):
    text = (
        SMALL_SUITE
        + '[methods.irvae]\npreset = "published"\nsearch = { iso_reg = { low = 1, high = 10000, log = true } }\n'
    )
    irvae = load_suite(write_suite(text)).methods[-1]
    assert starting_point(irvae) == {"iso_reg": 1000.0}
    assert irvae.search == {"iso_reg": {"low": 1.0, "high": 10000.0, "log": True}}
    assert isinstance(irvae.search["iso_reg"]["low"], float)


def test_smoke_may_search_epochs(write_suite):
    text = SMALL_SUITE + "[methods.vae]\nsearch = { epochs = [10, 20] }\n"
    assert load_suite(write_suite(text), smoke=True).methods[-1].params["epochs"] == 2


def test_smoke_is_one_seed_two_epochs_and_no_tuning(write_suite):
    suite = load_suite(write_suite(SMALL_SUITE + "[tune]\ntrials = 3\n"), smoke=True)
    assert suite.tune is None and suite.report_seeds == (0,) and suite.max_rows == 300
    assert suite.methods[1].params["epochs"] == 2


def test_panels_stand_for_their_metrics_and_all_for_every_one(write_suite):
    text = "[datasets.digits]\n[methods.pca]\n[metrics]\nuse = {}\nexact_up_to = 500\n"
    few = load_suite(write_suite('suite = "a"\n' + text.format('["mcn", "geometry", "labels"]')))
    names = [choice.name for choice in few.metrics]
    assert names[:2] == ["mcn", "relaxed_distortion"] and "silhouette" in names and len(names) == len(set(names)) == 13
    assert few.exact_up_to == 500
    everything = load_suite(write_suite('suite = "a"\n' + text.format('["all"]')))
    assert set(registry.names("metric")) < {choice.name for choice in everything.metrics}
