"""Data sets from files: each format, and what is refused with one line that says the way out."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from datasets.from_file import FileData

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
NAMES = np.array(["b", "a"] * 20)


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "X.npy", X)
    np.savez(tmp_path / "all.npz", X=X, y=np.arange(40) % 3, t=X[:, :1])
    table = pd.DataFrame(X, columns=["u", "v", "w"]).assign(kind=NAMES, place=np.linspace(0, 1, 40))
    table["part"] = ["train"] * 30 + ["test"] * 10
    table.to_csv(tmp_path / "table.csv", index=False)
    table.to_csv(tmp_path / "with_row_numbers.csv")
    table.to_parquet(tmp_path / "table.parquet")
    pd.DataFrame(X).to_csv(tmp_path / "headless.csv", index=False, header=False)
    return tmp_path


@pytest.mark.parametrize("path", ["X.npy", "all.npz:X", "headless.csv", "table.csv:u,v,w", "table.parquet:u,v,w"])
def test_every_format_gives_the_same_rows(folder, path):
    data = FileData(path, suite_folder=str(folder)).load()
    np.testing.assert_allclose(data.X, X, rtol=1e-6)
    assert data.y is None and len(data.train) + len(data.validation) + len(data.test) == 40


@pytest.mark.parametrize("file", ["table.csv", "with_row_numbers.csv", "table.parquet"])
def test_columns_that_are_no_features_are_named(folder, file):
    data = FileData(file, labels="kind", intrinsic="place", split="part", suite_folder=str(folder)).load()
    np.testing.assert_allclose(data.X, X, rtol=1e-6)
    np.testing.assert_array_equal(data.y, NAMES == "b")
    assert data.intrinsic.shape == (40, 1) and data.test.tolist() == list(range(30, 40))
    assert set(data.train) | set(data.validation) == set(range(30)) and len(data.validation)


def test_parts_of_other_files_and_a_shape(folder):
    np.save(folder / "images.npy", RNG.random((40, 12)))
    data = FileData("images.npy", labels="all.npz:y", shape=[1, 3, 4], suite_folder=str(folder)).load()
    assert data.sample_shape == (1, 3, 4) and set(data.y) == {0, 1, 2}


def write(folder, **columns):
    pd.DataFrame({"u": X[:, 0], **columns}).to_csv(folder / "bad.csv", index=False)


BAD = {
    "no file": (lambda f: "none.npy", {}, "there is no file"),
    "no format": (lambda f: "data.xlsx", {}, "use .npy, .npz, .csv"),
    "pickled": (lambda f: (f / "m.pkl").write_bytes(pickle.dumps(X)) and "m.pkl", {}, "np.save"),
    "objects": (
        lambda f: np.save(f / "o.npy", np.array([{}] * 40), allow_pickle=True) or "o.npy",
        {},
        "write it as numbers",
    ),
    "objects by name": (
        lambda f: np.savez(f / "o.npz", X=np.array([{}] * 40)) or "o.npz",
        {},
        'np.save("o.npy", array.astype(float))',
    ),
    "not what it is called": (lambda f: (f / "g.npz").write_bytes(b"words") and "g.npz", {}, "g.npz is damaged"),
    "torn": (lambda f: (f / "t.npy").write_bytes((f / "X.npy").read_bytes()[:200]) and "t.npy", {}, "t.npy"),
    "no key": (lambda f: "all.npz", {}, "name one of X, y, t"),
    "wrong key": (lambda f: "all.npz:Z", {}, "has no 'Z'"),
    "wrong column": (lambda f: "table.csv", {"labels": "sort"}, "has no 'sort'"),
    "text": (lambda f: "table.csv", {"split": "part"}, "column 'kind' of X holds no numbers but such as 'b'"),
    "missing": (lambda f: write(f, v=np.where(X[:, 1] > 1, np.nan, X[:, 1])) or "bad.csv", {}, "column 'v', row"),
    "offset": (lambda f: write(f, time=1.7e9 + np.arange(40)) or "bad.csv", {}, "column 'time' of X lies around"),
    "empty": (lambda f: (f / "bad.csv").write_text("") or "bad.csv", {}, "bad.csv"),
    "alike": (lambda f: np.save(f / "ones.npy", np.ones((40, 3))) or "ones.npy", {}, "are alike"),
    "rows of labels": (lambda f: np.save(f / "y.npy", np.ones(39)) or "X.npy", {"labels": "y.npy"}, "has 39 rows"),
    "continuous labels": (lambda f: "table.csv:u,v", {"labels": "table.csv:place"}, "put continuous"),
    "split": (lambda f: "table.csv:u,v", {"split": "table.csv:kind"}, "'train', 'validation' or 'test'"),
    "shape": (lambda f: "X.npy", {"shape": [1, 2, 2]}, "does not make 3 features"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_refused_with_the_way_out(folder, case):
    make, more, said = BAD[case]
    with pytest.raises(ValueError) as refused:
        FileData(make(folder), **more, suite_folder=str(folder)).load()
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_more_features_than_rows_constant_columns_and_duplicates_are_data(folder):
    wide = np.zeros((40, 90))
    wide[:, :3] = np.concatenate([X[:20], X[:20]])
    np.save(folder / "wide.npy", wide)
    assert FileData("wide.npy", suite_folder=str(folder)).load().X.shape == (40, 90)


def test_annotated_cells(folder):
    anndata = pytest.importorskip("anndata")
    index = pd.Index([f"c{i}" for i in range(40)], dtype=object)
    cells = anndata.AnnData(X, obs=pd.DataFrame({"kind": np.arange(40) % 2}, index=index))
    cells.var_names = pd.Index(["u", "v", "w"], dtype=object)
    cells.obsm["X_umap"] = X[:, :2]
    cells.write_h5ad(folder / "cells.h5ad")
    data = FileData("cells.h5ad", labels="obs/kind", suite_folder=str(folder)).load()
    assert data.X.shape == (40, 3) and set(data.y) == {0, 1}
    assert FileData("cells.h5ad:obsm/X_umap", suite_folder=str(folder)).load().X.shape == (40, 2)
