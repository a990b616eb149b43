"""An embedding that exists: codes, and perhaps a decoder, from files."""

from __future__ import annotations

import glob
import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator

from datasets.reading import parted, read
from methods.attached import fit_encoders
from methods.base import Array, DivergedError, check_matrix
from methods.network_method import evaluate


class Embedding(BaseEstimator):
    """Codes of the rows of a data set, computed elsewhere; scored as those of any method, on the same split.

    `{dataset}` and `{seed}` in a path stand for the data set's name in the suite and the seed.

    Args:
        path: the codes, one row for each row of the whole data set, in its order: 'Z/{dataset}/{seed}.npy', or
            .npz, .csv, .parquet and .h5ad with what of it after a colon ('cells.h5ad:obsm/X_umap').
        decoder: what maps codes (n, latent_dim) to data (n, n_features), differentiable: a program exported by
            `torch.export.save` ('decoder.pt2'), or 'file.py:function', a function that gives the decoder.
        encoder: 'attached' fits one to the codes of the training rows, by which all others are encoded; a file may then
            hold the training rows alone. 'none' takes the codes of all rows as they are.
        content: hash of the files, set by the runner, so that other files are other results.
        dataset, suite_folder: set by the runner.
    """

    loss: ClassVar[str] = "none: codes from a file"
    needs: ClassVar[str] = "a file of codes"

    def __init__(
        self,
        path: str,
        decoder: str | None = None,
        encoder: Literal["none", "attached"] = "none",
        content: str = "",
        random_state: int = 0,
        dataset: str = "",
        suite_folder: str = ".",
    ) -> None:
        self.path = path
        self.decoder = decoder
        self.encoder = encoder
        self.content = content
        self.random_state = random_state
        self.dataset = dataset
        self.suite_folder = suite_folder

    @classmethod
    def content_of(cls, params: Mapping[str, Any], folder: Path) -> str:
        """Hash of all files that these parameters may mean, for any data set and seed."""
        digest = hashlib.sha256()
        for place in filter(None, (params["path"], params.get("decoder"))):
            path = (folder / Path(_file_of(str(place))).expanduser()).absolute()
            pattern = glob.escape(str(path.relative_to(path.anchor)))
            for file in sorted(Path(path.anchor).glob(pattern.replace("{dataset}", "*").replace("{seed}", "*"))):
                digest.update(f"{file.name}\0".encode() + file.read_bytes())
        return digest.hexdigest()[:16]

    def fit(self, X: Array, y: Array | None = None, rows: Array | None = None) -> Self:
        """Read the codes, and the decoder where there is one.

        Args:
            X: the training rows (n, n_features). rows: which of the data set they are (n,).

        Raises:
            DivergedError: the training of an attached encoder produced numbers that are not finite.
            ValueError: a file is missing or cannot be used; the message names it.
        """
        codes = np.asarray(read(self._named(self.path), Path(self.suite_folder)))
        if codes.ndim == 1:
            codes = codes[:, None]
        if codes.ndim != 2 or codes.dtype.kind not in "fiu":
            raise ValueError(
                f"{self._named(self.path)}: a matrix of numbers is needed, got {codes.dtype} {codes.shape}"
            )
        codes = codes.astype(np.float32)
        self.n_features_in_ = X.shape[1]
        if self.decoder is not None:
            given = load_decoder(self._named(self.decoder), Path(self.suite_folder))
            self.given_decoder_ = self._checked(given, codes)
        if self.encoder == "attached":
            self._attach_encoder(X, codes, rows)
        else:
            self.codes_ = codes
        return self

    def _attach_encoder(self, X: Array, codes: Array, rows: Array | None) -> None:
        if len(codes) != len(X) and rows is None:
            raise ValueError(f"{self._named(self.path)}: {len(codes)} codes for {len(X)} training rows")
        self.embedding_ = codes if rows is None or len(codes) == len(X) else codes[rows]
        (encoder,) = fit_encoders(X, [self.embedding_], [self.random_state])
        if isinstance(encoder, DivergedError):
            raise encoder
        self.encoder_ = encoder

    @property
    def encoder_kind(self) -> str:
        """'attached', or 'native' where the codes of all rows are at hand."""
        return "attached" if self.encoder == "attached" else "native"

    @property
    def encode(self) -> Any:
        """Data (n, n_features) -> codes (n, latent_dim); None without an attached encoder."""
        return self._encode if self.encoder == "attached" else None

    def _encode(self, X: Array) -> Array:
        return evaluate(self.encoder_, check_matrix(X, self.n_features_in_))

    @property
    def decoders_(self) -> list[Any]:
        """The decoder, where one was given."""
        return [self.given_decoder_] if self.decoder is not None else []

    @property
    def decode(self) -> Any:
        """Codes (n, latent_dim) -> data (n, n_features); None without a decoder."""
        return self._decode if self.decoder is not None else None

    def _decode(self, Z: Array) -> Array:
        with torch.no_grad():
            parts = [self.given_decoder_(part) for part in torch.as_tensor(np.asarray(Z, np.float32)).split(8_192)]
        return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])

    def _named(self, place: str) -> str:
        return place.replace("{dataset}", self.dataset).replace("{seed}", str(self.random_state))

    def _checked(self, decoder: Any, codes: Array) -> Any:
        """A decoder that maps codes to rows of the data."""
        for n in (2, 3):
            try:
                found = decoder(torch.as_tensor(codes[:n]))
            except Exception as error:
                said = str(error).strip().partition("\n")[0][:200]
                raise ValueError(
                    f"decoder = {self.decoder!r}: decoding {n} codes of {codes.shape[1]} dimensions failed: "
                    f"{said}; export it for any number of rows: torch.export.export(decoder, (z,), "
                    "dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))"
                ) from error
            if tuple(found.shape) != (n, self.n_features_in_):
                raise ValueError(
                    f"decoder = {self.decoder!r} maps {n} codes to shape {tuple(found.shape)}, "
                    f"({n}, {self.n_features_in_}) is needed"
                )
        return decoder


class _Exported(torch.nn.Module):
    """An exported program, which refuses to be put into another mode than that in which it was exported."""

    def __init__(self, program: torch.nn.Module) -> None:
        super().__init__()
        self.program = program
        self.training = False

    def train(self, mode: bool = True) -> Self:
        return self

    def forward(self, z: torch.Tensor) -> Any:
        return self.program(z)


def load_decoder(place: str, folder: Path) -> Any:
    """A decoder from an exported program, or from a function of a Python file.

    Raises:
        ValueError: there is none, or it cannot be loaded.
    """
    file, _, function = place.rpartition(":") if ".py:" in place else (place, "", "")
    path = (folder / Path(file).expanduser()).resolve()
    if path.suffix not in (".pt2", ".py") or (path.suffix == ".py" and not function):
        raise ValueError(
            f"decoder = {place!r}: give a program written by torch.export.save (decoder.pt2), or file.py:function; a "
            "pickled module can run what somebody hid in it, and is not loaded"
        )
    if not path.is_file():
        raise ValueError(f"decoder = {place!r}: there is no file {path}")
    try:
        return _exported(path) if path.suffix == ".pt2" else _made(path, function)
    except Exception as error:
        raise ValueError(f"decoder = {place!r}: {type(error).__name__}: {error}".partition("\n")[0][:300]) from error


def _exported(path: Path) -> Any:
    return _Exported(torch.export.load(path).module()).requires_grad_(False)


def _made(path: Path, function: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"decoder_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    decoder = getattr(module, function)()
    return decoder.eval().requires_grad_(False) if isinstance(decoder, torch.nn.Module) else decoder


def _file_of(place: str) -> str:
    return place.rpartition(":")[0] if ".py:" in place else parted(place)[0]
