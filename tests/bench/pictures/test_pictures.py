"""What is drawn of a fitted method, from its arrays to the report, MLflow and an animation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bench.pictures.kinds import pictures
from bench.pictures.subject import Subject
from bench.running.fitted import observe
from datasets.curves import Spiral
from datasets.digits import Digits
from methods.autoencoder import Autoencoder
from methods.ensemble_vae import EnsembleVAE
from methods.metric_vae import MetricVAE
from methods.nrae import NRAEL, NRAEQ
from methods.pca import PCA
from reports.drawn import drawn_from, is_drawn
from reports.figures import save
from reports.pictures import captions, sheet, titled


def taken(method, data):
    """The pictures of a method fitted to data."""
    y = data.y[data.train] if data.y is not None else None
    method.fit(data.X[data.train], y)
    view = observe(method, data, "test").view(data)
    return pictures(method, view), view


@pytest.fixture(scope="module")
def digits():
    return Digits(n=200).load()


def as_bytes(X, data):
    low, high = data.X.min(), data.X.max()
    return np.rint(255 * np.clip((X - low) / (high - low), 0, 1)).astype(np.uint8)


def test_images_are_what_the_method_decodes(digits):
    method = PCA(latent_dim=2)
    found, view = taken(method, digits)
    assert set(found) == {
        "reconstructions", "interpolations", "arithmetic", "traversal", "tweaks", "geodesics", "distances"
    }  # fmt: skip
    real, decoded = found["reconstructions"]["images"]
    at = Subject(method, view).some(12)
    X = digits.X[digits.test][at]
    np.testing.assert_array_equal(real, as_bytes(X, digits))
    np.testing.assert_array_equal(decoded, as_bytes(method.decode(method.encode(X)), digits))
    assert found["traversal"]["images"].shape == (12, 12, 64)


def test_interpolations_join_real_images_of_two_labels(digits):
    method = PCA(latent_dim=2)
    found, _ = taken(method, digits)
    strips = found["interpolations"]["images"]
    assert strips.shape == (6, 10, 64)
    test = as_bytes(digits.X[digits.test], digits)
    for strip in strips:
        first, last = (np.flatnonzero((test == end).all(axis=1))[0] for end in (strip[0], strip[-1]))
        z = method.encode(digits.X[digits.test][[first, last]])
        third = method.decode(((1 - 1 / 9) * z[:1] + 1 / 9 * z[1:]).astype(np.float32))
        np.testing.assert_array_equal(strip[1], as_bytes(third[0], digits))
        assert digits.y[digits.test][first] != digits.y[digits.test][last]


def test_arithmetic_goes_from_one_labels_mean_to_the_others(digits):
    method = PCA(latent_dim=10)
    found, view = taken(method, digits)
    a, b = found["arithmetic"]["labels"]
    y = digits.y[digits.train]
    step = view.Z_train[y == b].mean(axis=0) - view.Z_train[y == a].mean(axis=0)
    source = digits.X[digits.test][digits.y[digits.test] == a][0]
    moved = method.decode(method.encode(source[None]) + step)
    np.testing.assert_allclose(found["arithmetic"]["images"][2, 0], as_bytes(moved[0], digits), atol=1)


def test_codes_of_many_dimensions_are_laid_out_and_tweaked(digits):
    found, _ = taken(PCA(latent_dim=10), digits)
    assert {"layout", "tweaks"} <= set(found) and "traversal" not in found
    assert found["tweaks"]["images"].shape == (8, 9, 64)
    assert found["layout"]["Z"].shape == (len(digits.test), 2)


def test_what_a_method_knows_beyond_its_code_is_shown(digits):
    uncertain, _ = taken(EnsembleVAE(n_members=2, epochs=2), digits)
    assert {"uncertainty", "prior"} <= set(uncertain)
    proxied, _ = taken(MetricVAE(epochs=2), digits)
    assert proxied["proxy-layout"]["Z"].shape == (len(digits.test), 2)
    line, _ = taken(Autoencoder(latent_dim=1, epochs=2), digits)
    assert line["line"]["images"].shape == (1, 16, 64) and (np.diff(line["line"]["z"]) > 0).all()


@pytest.mark.parametrize("component", [NRAEL, NRAEQ])
def test_local_expansions_touch_the_decoded_curve(component):
    found, _ = taken(component(latent_dim=1, epochs=50, hidden=[16]), Spiral().load())
    curve = found["curve"]
    assert curve["local"].shape == (2, 50, 2)
    middle = curve["local"][:, 24:26].mean(axis=1)
    np.testing.assert_allclose(middle, curve["centres"], atol=2e-2)
    bend = np.abs(np.diff(curve["local"], n=2, axis=1)).max()
    assert bend < 1e-5 if component is NRAEL else bend > 1e-5
    assert "local" not in taken(Autoencoder(latent_dim=1, epochs=2), Spiral().load())[0]["curve"]


def test_every_picture_can_be_drawn(digits):
    everything = {**taken(MetricVAE(latent_dim=3, epochs=2), digits)[0], **taken(PCA(), digits)[0]}
    everything |= taken(EnsembleVAE(n_members=2, epochs=2), digits)[0]
    everything |= taken(NRAEQ(latent_dim=1, epochs=2), Spiral().load())[0]
    everything |= taken(Autoencoder(latent_dim=1, epochs=2), digits)[0]
    said = captions(everything)
    # Distances are drawn of all methods side by side.
    assert set(said) == set(everything) - {"distances"} and len(said) == 12
    for kind, caption in said.items():
        assert titled(kind, everything[kind], "a model").get_suptitle() == f"a model: {caption}"


def test_a_picture_is_drawn_again_where_what_it_shows_has_changed(tmp_path):
    arrays = {"Z": np.eye(2)}
    path = tmp_path / "layout.png"
    key = drawn_from(arrays, "a model")
    assert not is_drawn(path, key)
    save(titled("layout", arrays, "a model"), path, key=key)
    assert is_drawn(path, key)
    assert not is_drawn(path, drawn_from(arrays, "another")) and not is_drawn(path, drawn_from({"Z": np.ones(2)}, "a"))
    equal_but_another = "".join(["a", " model"])
    assert is_drawn(path, drawn_from({"Z": np.eye(2)}, equal_but_another))
    path.write_bytes(path.read_bytes()[:100])
    assert not is_drawn(path, drawn_from({}, "")) and not is_drawn(tmp_path, key)


def test_distances_and_ranks_that_are_kept_lie_on_the_diagonal(digits):
    plane = np.random.default_rng(0).normal(size=(len(digits.X), 2))
    flat = replace(digits, X=np.pad(plane, ((0, 0), (0, 3))), sample_shape=None)
    kept, _ = taken(PCA(), flat)
    n = len(digits.test)
    for counts, pairs in ((kept["distances"]["pairs"], n * (n - 1) / 2), (kept["distances"]["ranks"], n * (n - 1))):
        assert counts.sum() == pairs == np.trace(counts)
    lost, _ = taken(PCA(), digits)
    assert lost["distances"]["pairs"].sum() == n * (n - 1) / 2 > np.trace(lost["distances"]["pairs"])
    # The same distance in the data is never larger in a projection.
    assert np.allclose(kept["distances"]["largest"][0], kept["distances"]["largest"][1])
    assert lost["distances"]["largest"][0] > lost["distances"]["largest"][1]


def test_a_sheet_keeps_rows_columns_and_channels():
    images = np.arange(2 * 3 * 12, dtype=np.uint8).reshape(2, 3, 12)
    grey = sheet(images, np.array([1, 3, 4]))
    assert grey.shape == (2 * 4 - 1, 3 * 5 - 1)
    np.testing.assert_array_equal(grey[4:7, 10:14], images[1, 2].reshape(3, 4))
    colour = sheet(images, np.array([3, 2, 2]))
    assert colour.shape == (5, 8, 3)
    np.testing.assert_array_equal(colour[:2, :2], images[0, 0].reshape(3, 2, 2).transpose(1, 2, 0))


SUITE = """
suite = "pictures"
[run]
report_seeds = [3, 1]
[datasets.digits]
n = 120
[datasets.spiral]
[methods.cnn-vae]
channels = [2, 3]
epochs = 2
[methods.nrae-l]
latent_dim = 1
hidden = [8]
epochs = 2
[metrics]
use = ["reconstruction_mse", "order_score"]
"""


def test_pictures_of_the_first_seed_are_in_the_report_and_in_mlflow(bench, write_suite, tmp_path):
    write_suite(SUITE)
    done = bench("run", "--quiet")
    assert done.returncode == 0, done.stderr + done.stdout
    out = tmp_path / "runs" / "pictures"
    for path in ("digits/cnn-vae-traversal.png", "digits/nrae-l-line.png", "spiral/nrae-l-curve.png"):
        with Image.open(out / "figures" / path) as image:
            assert image.size[0] > 300
    assert "digits: cnn-vae, seed 3" in (out / "report.html").read_text()
    assert "pictures of each model" in (out / "report.md").read_text()
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{out / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pictures").experiment_id
    artifacts = [
        {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        for run in client.search_runs([experiment])
    ]
    assert any({"embedding.png", "traversal.png", "prior.png"} <= names for names in artifacts)


def test_an_animation_shows_the_curve_epoch_by_epoch(bench, write_suite, tmp_path):
    write_suite(SUITE)
    done = bench("animate", "-m", "nrae-l", "-d", "spiral", "--to", "learning.gif")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "learning.gif") as animation:
        assert animation.n_frames == 3  # two epochs and the trained model
    several = bench("animate", "-d", "spiral")
    assert several.returncode == 2 and "name it" in several.stderr
