"""Embeddings that exist: codes and decoders from files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.running.fitted import observe
from datasets.base import Data
from methods.embedding import Embedding
from metrics.geometry import jacobian

RNG = np.random.default_rng(0)
DATA = Data(RNG.normal(size=(30, 4)))
Z = RNG.normal(size=(30, 2)).astype(np.float32)


def fitted(folder, **parameters):
    return Embedding(**parameters, suite_folder=str(folder), dataset="mine").fit(DATA.X[DATA.train])


def test_the_rows_of_a_split_have_their_own_codes(tmp_path):
    (tmp_path / "mine").mkdir()
    np.save(tmp_path / "mine" / "7.npy", Z)
    seen = observe(fitted(tmp_path, path="{dataset}/{seed}.npy", random_state=7), DATA, "test")
    np.testing.assert_array_equal(seen.Z, Z[DATA.test])
    np.testing.assert_array_equal(seen.Z_train, Z[DATA.train])
    assert seen.decoder == "none" and seen.decode is None and seen.split == "test"


def test_an_exported_decoder_is_differentiated_as_it_was(tmp_path):
    np.save(tmp_path / "Z.npy", Z)
    decoder = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4)).eval()
    program = torch.export.export(decoder, (torch.zeros(5, 2),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    torch.export.save(program, tmp_path / "decoder.pt2")
    method = fitted(tmp_path, path="Z.npy", decoder="decoder.pt2")
    z = torch.as_tensor(Z[:6])
    with torch.no_grad():
        np.testing.assert_allclose(method.decode(Z[:6]), decoder(z).numpy(), rtol=1e-6)
    for precision, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        ours = jacobian(method.decoders_[0].to(precision), z.to(precision))
        torch.testing.assert_close(ours, jacobian(decoder.to(precision), z.to(precision)), rtol=tolerance, atol=1e-6)


def test_a_decoder_from_a_file_of_python(tmp_path):
    np.save(tmp_path / "Z.npy", Z)
    (tmp_path / "mine.py").write_text(
        "import torch\ndef load():\n    torch.manual_seed(0)\n    return torch.nn.Linear(2, 4)\n"
    )
    method = fitted(tmp_path, path="Z.npy", decoder="mine.py:load")
    assert method.decode(Z).shape == (30, 4) and observe(method, DATA, "test").decoder == "native"


def test_other_files_are_another_content(tmp_path):
    np.save(tmp_path / "0.npy", Z)
    given = {"path": "{seed}.npy", "decoder": None}
    first = Embedding.content_of(given, tmp_path)
    assert Embedding.content_of(given, tmp_path) == first
    np.save(tmp_path / "1.npy", Z)
    second = Embedding.content_of(given, tmp_path)
    np.save(tmp_path / "1.npy", 2 * Z)
    assert len({first, second, Embedding.content_of(given, tmp_path)}) == 3
    assert Embedding.content_of({"path": str(tmp_path / "{seed}.npy")}, tmp_path / "elsewhere") != first


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        ("decoder.pt", "torch.export.save"),
        ("decoder.pkl", "torch.export.save"),
        ("none.pt2", "there is no file"),
        ("broken.pt2", "broken.pt2"),
        ("mine.py:nothing", "nothing"),
        ("mine.py:narrow", r"maps 2 codes to shape \(2, 3\)"),
        ("mine.py:raises", "decoding 2 codes of 2 dimensions failed: no such thing"),
    ],
)
def test_decoders_that_cannot_be_used_are_refused_by_name(tmp_path, decoder, said):
    np.save(tmp_path / "Z.npy", Z)
    (tmp_path / "broken.pt2").write_bytes(b"nothing")
    (tmp_path / "mine.py").write_text(
        "def narrow():\n    return lambda z: z.new_zeros(len(z), 3)\n"
        "def raises():\n    def decoder(z):\n        raise KeyError('x') if z is None else OSError('no such thing')\n"
        "    return decoder\n"
    )
    with pytest.raises(ValueError, match=said):
        fitted(tmp_path, path="Z.npy", decoder=decoder)


def test_codes_of_another_number_of_rows_are_refused(tmp_path):
    np.save(tmp_path / "Z.npy", Z[:20])
    with pytest.raises(ValueError, match=r"\(30, latent_dim\) is needed"):
        observe(fitted(tmp_path, path="Z.npy"), DATA, "test")
    np.save(tmp_path / "Z.npy", np.array(["a"] * 30))
    with pytest.raises(ValueError, match="matrix of numbers"):
        fitted(tmp_path, path="Z.npy")
