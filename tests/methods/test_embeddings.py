"""Embeddings of the field: agreement with independent implementations, and encoders fitted to finished embeddings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import eig
from sklearn.decomposition import KernelPCA as SklearnKernelPCA
from sklearn.manifold import ClassicalMDS

from datasets.manifolds import SCurve, SwissRoll
from methods.attached import fit_encoders
from methods.diffusion_map import DiffusionMap
from methods.embedding import Embedding
from methods.identity import Identity
from methods.kernel_pca import KernelPCA
from methods.laplacian_eigenmap import LaplacianEigenmap
from methods.lle import LLE
from methods.mds import MDS
from methods.pacmap import PaCMAP
from methods.phate import PHATE
from methods.random_projection import RandomProjection
from metrics.distances import distance_spearman, stress
from metrics.geometry import jacobian
from metrics.neighbors import trustworthiness


def normal(n, n_features, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_features)).astype(np.float32)


def test_mds_ends_below_classical_scaling():
    X = normal(80, 5)
    method = MDS(epochs=1).fit(X, attach=False)
    classical = ClassicalMDS(2).fit_transform(X)

    def raw(Z):
        d_x, d_z = (np.linalg.norm(P[:, None] - P, axis=-1) for P in (X, Z))
        return np.square(d_x - d_z).sum()

    assert raw(method.embedding_) < 0.8 * raw(classical)
    flat = normal(60, 2)
    assert stress(flat, MDS(epochs=1).fit(flat, attach=False).embedding_) < 1e-3


def test_an_attached_encoder_finds_the_embedding_and_encodes_new_rows():
    data = SCurve(n=600).load()
    X, T = data.X[data.train], data.X[data.test]
    method = MDS(epochs=300).fit(X)
    spread = np.linalg.norm(method.embedding_ - method.embedding_.mean(0), axis=1).mean()
    assert np.linalg.norm(method.encode(X) - method.embedding_, axis=1).mean() < 0.05 * spread
    assert trustworthiness(T, method.encode(T)) > 0.9
    assert method.encoder_kind == "attached"
    restored = MDS(epochs=300).load_arrays(method.state_arrays())
    np.testing.assert_array_equal(restored.encode(T), method.encode(T))
    np.testing.assert_array_equal(restored.decode(method.encode(T)), method.decode(method.encode(T)))


def test_without_an_encoder_it_says_that_it_cannot_encode():
    method = LaplacianEigenmap(encoder="none", epochs=2).fit(normal(60, 4))
    assert method.encode is None and method.encoder_kind == "none"
    assert "encoder.0.shift" not in method.state_arrays()
    with pytest.raises(ValueError, match="encoder must be one of 'attached', 'none', got 'yes'"):
        LaplacianEigenmap(encoder="yes").fit(normal(60, 4))


def test_a_stack_of_attached_encoders_is_each_alone():
    X, embeddings = normal(50, 4), [normal(50, 2, seed) for seed in (1, 2)]
    stack = fit_encoders(X, embeddings, [0, 1], hidden=[6], epochs=8)
    for s in range(2):
        (alone,) = fit_encoders(X, [embeddings[s]], [s], hidden=[6], epochs=8)
        torch.testing.assert_close(stack[s](torch.tensor(X)), alone(torch.tensor(X)), rtol=1e-5, atol=1e-5)


def test_laplacian_eigenmaps_are_eigenvectors_of_the_graphs_laplacian():
    from sklearn.neighbors import kneighbors_graph

    X = SCurve(n=150).load().X
    Z = LaplacianEigenmap(n_neighbors=10, epochs=1).fit(X, attach=False).embedding_
    A = kneighbors_graph(X, 10, include_self=True).toarray()
    A = 0.5 * (A + A.T)
    np.fill_diagonal(A, 0)
    degree = A.sum(1)
    for k in range(2):
        z = Z[:, k].astype(float)
        walked = A @ z / degree
        value = (walked @ z) / (z @ z)
        np.testing.assert_allclose(walked, value * z, atol=2e-4)


def test_diffusion_maps_are_the_walks_eigenvectors_and_new_points_follow_nystroem():
    X = normal(70, 3).astype(np.float64)
    method = DiffusionMap(n_neighbors=7, time=2.0, epochs=1).fit(X, attach=False)
    squared = np.square(X.astype(np.float32).astype(float)[:, None] - X.astype(np.float32).astype(float)).sum(-1)
    s = np.sqrt(np.sort(squared, axis=1)[:, 7])
    K = np.exp(-squared / np.outer(s, s))
    K /= np.outer(K.sum(1), K.sum(1))
    walk = K / K.sum(1, keepdims=True)
    values, vectors = eig(walk)
    order = np.argsort(-values.real)[1:3]
    for k, at in enumerate(order):
        own = method.embedding_[:, k] / np.linalg.norm(method.embedding_[:, k])
        other = vectors[:, at].real / np.linalg.norm(vectors[:, at].real)
        np.testing.assert_allclose(np.abs(own @ other), 1, atol=1e-5)
        assert method.eigenvalues_[k] == pytest.approx(values[at].real, abs=1e-8)
    # A training row has itself for a neighbour once more, which moves it by little.
    again = method.encode(X.astype(np.float32))
    assert np.corrcoef(again.ravel(), method.embedding_.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("weights", ["modified", "ltsa"])
def test_lle_unrolls_the_swiss_roll_up_to_a_linear_map(weights):
    data = SwissRoll().load()
    X, T = data.X[data.train], data.X[data.test]
    method = LLE(weights=weights, epochs=1).fit(X, attach=False)

    def explained(Z, flat):
        A = np.column_stack([Z, np.ones(len(Z))])
        rest = flat - A @ np.linalg.lstsq(A, flat, rcond=None)[0]
        return 1 - np.square(rest).sum() / np.square(flat - flat.mean(0)).sum()

    assert explained(method.embedding_, data.intrinsic[data.train]) > 0.98
    assert explained(method.encode(T), data.intrinsic[data.test]) > 0.95


def test_kernel_pca_is_scikit_learns_and_its_pre_images_differentiate():
    X, T = normal(90, 4), normal(10, 4, 1)
    method = KernelPCA(bandwidth=1.0).fit(X)
    gamma = float(method.encoder_["gamma"])
    reference = SklearnKernelPCA(2, kernel="rbf", gamma=gamma).fit(X.astype(float))
    np.testing.assert_allclose(np.abs(method.encode(T)), np.abs(reference.transform(T.astype(float))), atol=1e-5)
    z = torch.as_tensor(method.encode(T), dtype=torch.float64)
    decoder = method.decoders_[0].double()
    J = jacobian(decoder, z)
    step = 1e-6 * torch.tensor([1.0, -2.0]).double()
    torch.testing.assert_close((decoder(z + step) - decoder(z - step)) / 2, J @ step, rtol=1e-5, atol=1e-9)
    curve = SCurve(n=400).load()
    fitted = KernelPCA(latent_dim=6, ridge=1e-5).fit(curve.X[curve.train])
    back = fitted.decode(fitted.encode(curve.X[curve.test]))
    assert np.square(back - curve.X[curve.test]).mean() < 0.01 * curve.X.var()


def test_floors():
    X = normal(40, 6)
    method = Identity().fit(X)
    np.testing.assert_array_equal(method.encode(X), X)
    np.testing.assert_allclose(method.decode(X), X, rtol=1e-6)
    drawn = RandomProjection(latent_dim=3, random_state=1).fit(X)
    np.testing.assert_allclose(drawn.components_ @ drawn.components_.T, np.eye(3), atol=1e-12)
    assert not np.allclose(drawn.components_, RandomProjection(latent_dim=3, random_state=2).fit(X).components_)


@pytest.mark.slow  # numba compiles for seconds
@pytest.mark.parametrize("component", [PaCMAP, PHATE])
def test_optional_packages_keep_neighbourhoods(component):
    data = SCurve(n=500).load()
    X, T = data.X[data.train], data.X[data.test]
    method = component(epochs=1).fit(X, attach=False)
    assert trustworthiness(X, method.embedding_) > 0.9
    assert trustworthiness(T, method.encode(T)) > 0.85
    assert method.encode(T[:1]).shape == (1, 2)


def test_a_missing_package_is_said_with_how_to_install_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pacmap", None)
    with pytest.raises(ValueError, match=r"needs the package 'pacmap': pip install 'latentbench\[more\]'"):
        PaCMAP().check_shape(100, 3)


def test_an_embedding_file_can_have_an_encoder(tmp_path):
    data = SCurve(n=400).load()
    X, T = data.X[data.train], data.X[data.test]
    np.save(tmp_path / "train.npy", data.intrinsic[data.train])
    np.save(tmp_path / "all.npy", data.intrinsic)
    for file in ("train.npy", "all.npy"):
        method = Embedding(file, encoder="attached", suite_folder=str(tmp_path)).fit(X, rows=data.train)
        assert not hasattr(method, "codes_") and method.encoder_kind == "attached"
        assert distance_spearman(data.intrinsic[data.test], method.encode(T)) > 0.98
    with pytest.raises(ValueError, match=r"all\.npy: 400 codes for 280 training rows"):
        Embedding("all.npy", encoder="attached", suite_folder=str(tmp_path)).fit(X)
