"""The penalties of regularised autoencoders, term by term against their formulas, and what they do to the codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist

from datasets.manifolds import SCurve, SwissRoll
from methods.autoencoder import Autoencoder
from methods.cae import ContractiveAE
from methods.conformal_ae import ConformalAE
from methods.conformal_vae import ConformalVAE
from methods.dae import DenoisingAE
from methods.distance_ae import DistanceAE, log_ratio_variance
from methods.flat_vae import FlatVAE
from methods.geometric_ae import GeometricAE
from methods.ggae import graph_distances, pushed_forward_metric
from methods.grae import GRAE
from methods.isomap import Isomap
from methods.isometric_ae import IsometricAE
from methods.parametric_umap import Edges, ParametricUMAP
from methods.topo_ae import TopologicalAE, distances, spanning_trees
from methods.training.streams import Streams
from methods.umap import similarity_curve
from metrics.distances import stress
from metrics.distortion import conformal_distortion, log_determinants, relaxed_distortion
from metrics.geometry import pullback_metric


def stacked(method, n_features=4, n_models=2):
    """A stack in double precision, a batch for it, and the random numbers of one step."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(n_models)]
    model = method._build(n_features, generators).double()
    problem = method._problem(n_features)
    x = torch.randn(n_models, 9, n_features, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    draws = {
        name: value.double() for name, value in problem.draws(Streams(range(n_models), torch.device("cpu")), 9).items()
    }
    return model, problem, x, draws


def terms_of(method, weight, **batch):
    model, problem, x, draws = stacked(method)
    weights = {name: torch.full((2,), 1.0).double() for name in method.stackable} | {weight: torch.tensor([0.3, 0.7])}
    found = problem.losses(model, {"x": x, **batch}, draws, weights)
    return model, x, draws, found


def jacobians(function, x):
    return torch.func.vmap(torch.func.jacrev(function))(x)


def member_of(part, s):
    """One member of a stacked module as a function of single rows."""
    return lambda row: part(row.expand(2, 1, -1))[s, 0]


def mse_of(model, x):
    return (model["decoder"](model["encoder"](x)) - x).square().mean((1, 2))


def assert_penalised(model, x, found, penalty):
    torch.testing.assert_close(found["mse"], mse_of(model, x))
    torch.testing.assert_close(found["penalty"], penalty)
    torch.testing.assert_close(found["loss"], mse_of(model, x) + torch.tensor([0.3, 0.7]) * penalty)


def test_denoising_reconstructs_the_clean_rows():
    model, x, draws, found = terms_of(DenoisingAE(hidden=[5]), "noise")
    noisy = x + torch.tensor([0.3, 0.7])[:, None, None] * draws["noise"]
    expected = (model["decoder"](model["encoder"](noisy)) - x).square().mean((1, 2))
    torch.testing.assert_close(found["loss"], expected)


def test_contraction_is_the_squared_norm_of_the_encoders_jacobian():
    model, x, _, found = terms_of(ContractiveAE(hidden=[5, 5]), "contraction")
    J = torch.stack([jacobians(member_of(model["encoder"], s), x[s]) for s in range(2)])
    assert_penalised(model, x, found, J.square().sum((-1, -2)).mean(1))


def test_distance_ae_penalises_what_is_not_proportional():
    model, x, _, found = terms_of(DistanceAE(hidden=[5]), "distance_reg")
    z = model["encoder"](x).detach().numpy()
    expected = [np.log(pdist(z[s]) / pdist(x[s].numpy())).var() for s in range(2)]
    assert_penalised(model, x, found, torch.tensor(expected))


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_proportional_distances_cost_nothing_and_duplicates_do_not_count(scale):
    x = torch.randn(1, 12, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turned = x @ torch.linalg.qr(torch.randn(2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[0]
    assert float(log_ratio_variance(x, scale * turned)) < 1e-20
    twice = torch.cat([x, x[:, :3]], dim=1)
    assert float(log_ratio_variance(twice, scale * twice)) < 1e-20


def test_geometric_ae_penalises_the_variance_of_log_determinants():
    model, x, _, found = terms_of(GeometricAE(hidden=[5]), "det_reg")
    z = model["encoder"](x)
    expected = []
    for s in range(2):
        J = jacobians(member_of(model["decoder"], s), z[s].detach())
        expected.append(torch.logdet(J.transpose(1, 2) @ J).var())
    torch.testing.assert_close(found["penalty"], torch.stack(expected), rtol=1e-4, atol=1e-6)
    assert found["penalty"].requires_grad
    (gradient,) = torch.autograd.grad(found["penalty"].sum(), model["encoder"][0].weight)
    assert gradient.abs().max() > 0


def test_log_determinants_stay_finite_where_a_direction_is_lost():
    G = torch.diag_embed(torch.tensor([[4.0, 9.0], [1.0, 0.0], [0.0, 0.0]], requires_grad=True))
    found = log_determinants(G)
    assert found[0].item() == pytest.approx(np.log(36), abs=1e-4)
    assert torch.isfinite(found).all()
    assert torch.isfinite(torch.autograd.grad(found.sum(), G)[0]).all()


def test_topological_ae_compares_distances_along_both_spanning_trees():
    method = TopologicalAE(hidden=[5])
    model, problem, x, draws = stacked(method)
    model.log_scale.data = torch.tensor([0.0, 0.4]).double()
    z = model["encoder"](x)
    found = problem.penalty(model, {"x": x}, z, draws)
    for s in range(2):
        d_x, d_z = torch.cdist(x[s], x[s]), torch.cdist(z[s], z[s])
        d_x = d_x / d_x.max()
        apart = (d_x - d_z * model.log_scale[s].exp()).square().detach().numpy()
        along = 0.0
        for d in (d_x, d_z):
            i, j = minimum_spanning_tree(d.detach().numpy()).nonzero()
            along += apart[i, j].sum()
        assert found[s].item() == pytest.approx(along / (2 * 9), rel=1e-6)


def test_spanning_trees_are_scipys():
    points = torch.rand(3, 60, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    d = distances(points)
    edges = spanning_trees(d)
    for s in range(3):
        weight = d[s].flatten()[edges[s]].sum().item()
        assert weight == pytest.approx(minimum_spanning_tree(d[s].numpy()).sum())
        assert len(set(edges[s].tolist())) == 59


def test_isometric_ae_holds_the_length_of_random_directions_at_one():
    model, x, draws, found = terms_of(IsometricAE(hidden=[5]), "iso_reg")
    z = model["encoder"](x).detach()
    unit = {name: draws[name] / draws[name].norm(dim=-1, keepdim=True) for name in ("forward", "backward")}
    expected = torch.zeros(2, dtype=torch.float64)
    for s in range(2):
        mean, centred = z[s].mean(0), z[s] - z[s].mean(0)
        values, vectors = torch.linalg.eigh(centred.T @ centred / 9)
        at = mean + (draws["at"][s] * values.sqrt()) @ vectors.T
        pushed = torch.einsum("nij,nj->ni", jacobians(member_of(model["decoder"], s), at), unit["forward"][s])
        pulled = torch.einsum("ni,nij->nj", unit["backward"][s], jacobians(member_of(model["encoder"], s), x[s]))
        expected[s] = (pushed.norm(dim=1) - 1).square().mean() + (pulled.norm(dim=1) - 1).square().mean()
    assert_penalised(model, x, found, expected)


def test_conformal_distortion_lets_the_scale_change_from_point_to_point():
    def squaring(z):
        # The complex square is conformal, and no isometry.
        return torch.stack([z[..., 0] ** 2 - z[..., 1] ** 2, 2 * z[..., 0] * z[..., 1]], dim=-1)

    z = torch.rand(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    assert float(conformal_distortion(squaring, z)) == pytest.approx(0, abs=1e-9)
    assert float(relaxed_distortion(squaring, z)) > 0.1
    stretched = conformal_distortion(lambda z: z * torch.tensor([1.0, 3.0]).double(), z)
    assert float(stretched) == pytest.approx(2 * 82 / 100 - 1)


def test_conformal_ae_penalises_conformal_distortion():
    model, x, _, found = terms_of(ConformalAE(hidden=[5]), "conformal_reg")
    assert_penalised(model, x, found, conformal_distortion(model["decoder"], model["encoder"](x)))


@pytest.mark.parametrize(("component", "weight"), [(FlatVAE, "flat_reg"), (ConformalVAE, "iso_reg")])
def test_the_bounds_between_add_their_measure_at_mixed_points(component, weight):
    method = component(hidden=[5])
    model, problem, x, draws = stacked(method)
    weights = {"beta": torch.ones(2).double(), weight: torch.tensor([0.3, 0.7]).double()}
    plain, z = problem.terms(model, x, draws["noise"], weights["beta"])
    found = problem.losses(model, {"x": x}, draws, weights)["loss"]
    for s in range(2):
        order = draws["partner"][s].argsort()
        at = draws["alpha"][s] * z[s] + (1 - draws["alpha"][s]) * z[s][order]
        J = jacobians(member_of(model.decoder, s), at)
        G = J.transpose(1, 2) @ J
        trace = G.diagonal(dim1=1, dim2=2).sum(1)
        if component is FlatVAE:
            c2 = trace.mean() / 2
            measure = (G - c2 * torch.eye(2)).square().sum((1, 2)).mean()
        else:
            measure = ((G @ G).diagonal(dim1=1, dim2=2).sum(1) / trace.square()).mean()
        torch.testing.assert_close(found[s], plain["loss"][s] + weights[weight][s] * measure)


def test_the_flat_vaes_probes_agree_with_its_exact_term():
    from methods.flat_vae import _deviation

    generator = torch.Generator().manual_seed(0)
    decoder = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 6)).double()
    z = torch.randn(1, 2000, 3, generator=generator, dtype=torch.float64)
    probes = (torch.rand(1, 2000, 8, 3, generator=generator) < 0.5).double() * 2 - 1
    exact, probed = _deviation(decoder, z, None)["penalty"], _deviation(decoder, z, probes)["penalty"]
    torch.testing.assert_close(probed, exact, rtol=0.05, atol=1e-3)


def test_an_isometry_pushes_forward_the_identity():
    flat = torch.rand(1, 1500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inner = ((flat - 0.5).abs() < 0.3).all(-1)[0]
    apart = torch.cdist(flat, flat)
    H = pushed_forward_metric(apart, flat, 20)[0][inner].mean(0)
    torch.testing.assert_close(H, torch.eye(2).double(), atol=0.05, rtol=0)
    stretch = torch.tensor([2.0, 1.0]).double()
    stretched = pushed_forward_metric(apart, flat * stretch, 20)[0][inner].mean(0)
    torch.testing.assert_close(stretched, torch.diag(stretch.square()), atol=0.2, rtol=0)


def test_pushed_forward_metric_is_the_laplacians_formula():
    """H^kl = 1/2 (L(z^k z^l) - z^k L z^l - z^l L z^k) with L = 4 (P - I) / h."""
    generator = torch.Generator().manual_seed(0)
    x, z = (torch.rand(1, 30, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    d = torch.cdist(x, x)
    h = d[0].square().sort(1).values[:, 5].mean()
    K = (-d[0].square() / h).exp()
    K = K / torch.outer(K.sum(1), K.sum(1))
    L = 4 * (K / K.sum(1, keepdim=True) - torch.eye(30)) / h
    found = pushed_forward_metric(d, z, 5)[0]
    for k in range(3):
        for m in range(3):
            a, b = z[0, :, k], z[0, :, m]
            torch.testing.assert_close(found[:, k, m], 0.5 * (L @ (a * b) - a * (L @ b) - b * (L @ a)))


def test_graph_distances_follow_the_roll():
    data = SwissRoll(n=900).load()
    train, val = data.X[data.train], data.X[data.validation]
    within, between = graph_distances(train, val, 10)
    for rows, found in ((data.train, within), (data.validation, between)):
        i, j = np.triu_indices(len(rows), 1)
        exact = data.geodesic(rows[i], rows[j])
        far = exact > np.median(exact)
        assert np.median(found[i, j][far] / exact[far]) == pytest.approx(1.0, abs=0.06)


def test_grae_unrolls_the_swiss_roll():
    data = SwissRoll(n=1000).load()
    X, T = data.X[data.train], data.X[data.test]
    method = GRAE(epochs=200, learning_rate=3e-3).fit(X, X_val=data.X[data.validation])
    assert stress(data.intrinsic[data.test], method.encode(T)) < 0.05


def test_grae_is_pulled_to_the_embedding_it_names():
    data = SCurve(n=400).load()
    X = data.X[data.train]
    method = GRAE(geo_reg=1e3, epochs=200, learning_rate=3e-3).fit(X, X_val=data.X[data.validation])
    target = Isomap().fit((X - X.mean(0)) / np.sqrt(np.square(X - X.mean(0)).mean()), attach=False).embedding_
    target = (target - target.mean(0)) / np.sqrt(np.square(target - target.mean(0)).mean())
    assert np.square(method.encode(X) - target).mean() < 0.02


def random_graph(n):
    """A symmetric sparse graph whose rows have different degrees."""
    strengths = np.triu(np.random.default_rng(0).random((n, n)) ** 4, 1)
    strengths[strengths < 0.3] = 0
    strengths[np.arange(n - 1), np.arange(1, n)] = 0.5
    return sparse.csr_matrix(strengths + strengths.T)


def test_edges_are_drawn_by_their_strength():
    graph = random_graph(60)
    edges = Edges(graph, torch.device("cpu"))
    rows = torch.arange(60).repeat_interleave(4000)
    drawn = edges.draw(rows, torch.rand(len(rows), generator=torch.Generator().manual_seed(0)))
    counts = np.zeros((60, 60))
    np.add.at(counts, (rows.numpy(), drawn.numpy()), 1 / 4000)
    expected = np.asarray(graph.todense() / graph.sum(1))
    np.testing.assert_allclose(counts, expected, atol=0.04)
    np.testing.assert_allclose(edges.degree.numpy(), np.asarray(graph.sum(1)).ravel() / graph.sum(1).mean())


def test_parametric_umaps_loss_is_umaps_cross_entropy():
    from methods.parametric_umap import _CrossEntropy

    X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    method = ParametricUMAP(hidden=[5], n_neighbors=5, n_negatives=2)
    model = method._build(4, [torch.Generator().manual_seed(0)]).double()
    pool = torch.tensor(X).double()
    edges = Edges(random_graph(40), torch.device("cpu"))
    problem = _CrossEntropy(method, pool, edges)
    draws = problem.draws(Streams([0], torch.device("cpu")), 9)
    row = torch.arange(9)[None]
    found = problem.losses(
        model, {"x": pool[row], "row": row}, draws, {"reconstruction_weight": torch.tensor([2.0]).double()}
    )
    a, b = similarity_curve(0.1)
    z = model["encoder"](pool[None])[0]
    near = edges.draw(row, draws["edge"])[0]
    attraction = repulsion = 0.0
    for i in range(9):
        q = 1 / (1 + a * (z[i] - z[near[i]]).norm() ** (2 * b))
        attraction -= edges.degree[i] * q.log() / 9
        for u in draws["other"][0, i]:
            other = (i + 1 + int(u * 8)) % 9
            q = 1 / (1 + a * (z[i] - z[other]).norm() ** (2 * b))
            repulsion -= (1 - q).log() / 9
    torch.testing.assert_close(found["cross_entropy"][0], attraction + repulsion, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found["loss"][0], found["cross_entropy"][0] + 2 * found["mse"][0])


def test_geometric_ae_evens_out_the_magnification():
    data = SCurve(n=500).load()
    X, T = data.X[data.train], data.X[data.test]
    spread = {}
    for method in (Autoencoder(epochs=80), GeometricAE(epochs=80)):
        method.fit(X, X_val=data.X[data.validation])
        z = torch.as_tensor(method.encode(T), dtype=torch.float64)
        spread[type(method)] = float(log_determinants(pullback_metric(method.decoders_[0].double(), z)).var().detach())
    assert spread[GeometricAE] < 0.5 * spread[Autoencoder]
