"""Scores over an axis."""

from __future__ import annotations

from reports.axes import axes_of, axis_columns, axis_figure
from reports.frames import results_frame
from reports.leaderboard import boards
from tests.reports.test_reports import row


def shown(rows):
    found = boards(results_frame(rows), set())
    return {(axis.dataset, axis.parameter): axis for axis in axes_of(found)}, found


def test_lines_are_of_a_method_and_of_a_data_set():
    rows = [
        row(method=method, dataset=dataset, seed=seed, value=float(d + seed))
        for d in (2, 4, 16)
        for method in (f"ae[latent_dim={d}]", f"vae[latent_dim={d},act=relu]", "pca")
        for dataset in ("roll[noise=0]", "roll[noise=0.5]")
        for seed in (0, 1)
    ]
    axes, found = shown({(r["method"], r["dataset"], r["seed"]): r for r in rows}.values())
    assert set(axes) == {("roll[noise=0]", "latent_dim"), ("roll[noise=0.5]", "latent_dim"), ("roll", "noise")}
    over = axes["roll[noise=0]", "latent_dim"]
    assert {name: sorted(line) for name, line in over.lines.items()} == {
        "ae": [2.0, 4.0, 16.0], "vae[act=relu]": [2.0, 4.0, 16.0]
    }  # fmt: skip
    assert len(axes["roll", "noise"].lines) == 7
    figure = axis_figure(over, found, ["mcn"])
    (panel,) = figure.axes
    assert panel.get_xscale() == "log" and panel.get_xlabel() == "latent_dim"
    curve = next(line for line in panel.lines if line.get_label() == "ae")
    assert list(curve.get_xdata()) == [2, 4, 16] and list(curve.get_ydata()) == [2.5, 4.5, 16.5]
    band = panel.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 2 and band[:, 1].max() == 17
    assert axis_figure(over, found, ["stress"]) is None


def test_names_without_numbers_or_with_one_value_have_no_axis():
    axes, _ = shown([row(method=m) for m in ("ae[act=relu]", "ae[act=silu]", "vae[latent_dim=2]", "pca")])
    assert not axes


def test_each_parameter_of_methods_is_a_column():
    assert axis_columns(["ae[latent_dim=2]", "vae[latent_dim=4,act=relu]", "pca"]) == {
        "latent_dim": {"ae[latent_dim=2]": "2", "vae[latent_dim=4,act=relu]": "4"},
        "act": {"vae[latent_dim=4,act=relu]": "relu"},
    }
    assert axis_columns(["ae", "pca"]) == {}
