"""The protocol of geodesic distances over retrained models: all models and pairs in one batch."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.gpu.parts import Report
from bench.kernels.clock import synchronised
from bench.kernels.measure import peak_memory
from datasets.digits import Digits
from methods.vae import VAE
from metrics import stability
from metrics.ensembles import stacked
from metrics.geodesics import Geodesics, geodesics

N_TEST, N_STOPS = 360, 300
HIDDEN = (256, 128, 64)
# Of lengths on two devices, half of which must agree so far: the solver's own tolerance.
TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Models:
    """Decoders of S retrained models in double precision, and the codes of the same data rows by each.

    Attributes:
        z0, z1: codes of the pairs (S, pairs, d). through: codes of training rows (S, n, d).
    """

    decoders: list[nn.Module]
    z0: Tensor
    z1: Tensor
    through: Tensor

    def first(self, n: int, device: str) -> Models:
        """The first n of them on a device."""
        z0, z1, through = (codes[:n].to(device) for codes in (self.z0, self.z1, self.through))
        return Models([copy.deepcopy(decoder).to(device) for decoder in self.decoders[:n]], z0, z1, through)

    def solve(self) -> Geodesics:
        return geodesics(stacked(self.decoders), self.z0, self.z1, through=self.through)


def run(device: str, report: Report, *, n_models: int, n_pairs: int, epochs: int, n_checked: int) -> None:
    """Train the models as one stack, solve for all geodesics at once, and for those of a few models on the CPU.

    Raises:
        RuntimeError: the lengths of those few differ from the CPU's.
    """
    began = synchronised()
    models = _trained(n_models, n_pairs, epochs, device)
    report({"what": f"training, {epochs} epochs", "models": n_models, "seconds": synchronised() - began})
    # What a device's libraries prepare at their first call is not the protocol's.
    models.first(1, device).solve()
    seconds, found = _timed(models)
    lengths = found.length.cpu().numpy()
    row: dict[str, Any] = {"what": f"geodesics on {device}", "models": n_models, "seconds": seconds, "pairs": n_pairs}
    row["peak memory, MB"] = peak_memory(lambda: (models.solve().length,), device) / 1e6
    row["share converged"] = float(found.converged.double().mean())
    row["CV, mean"] = float(np.nanmean(stability.coefficient_of_variation(lengths)))
    row["ICC"] = stability.icc(lengths)
    report(row)
    seconds, checked = _timed(models.first(n_checked, "cpu"))
    differ = np.abs(lengths[:n_checked] / checked.length.numpy() - 1)
    report(
        {
            "what": "geodesics on cpu, the first models alone", "models": n_checked, "seconds": seconds,
            "pairs": n_pairs, "share converged": float(checked.converged.double().mean()),
            "deviation of lengths, median": float(np.median(differ)), "largest": float(differ.max()),
        }
    )  # fmt: skip
    if not np.median(differ) <= TOLERANCE:
        raise RuntimeError(f"lengths on {device} and on the CPU differ by {np.median(differ):.1e} in the median")


def _timed(models: Models) -> tuple[float, Geodesics]:
    began = synchronised()
    found = models.solve()
    return synchronised() - began, found


def _trained(n_models: int, n_pairs: int, epochs: int, device: str) -> Models:
    rng = np.random.default_rng(0)
    X = rng.permutation(Digits().load().X)
    X_train, X_test = X[N_TEST:], X[:N_TEST]
    models = [
        VAE(hidden=HIDDEN, epochs=epochs, patience=None, device=device, random_state=seed) for seed in range(n_models)
    ]
    for failure in VAE.fit_many(models, X_train):
        if failure is not None:
            raise failure
    first = rng.integers(0, N_TEST, n_pairs)
    second = (first + rng.integers(1, N_TEST, n_pairs)) % N_TEST

    def codes(rows: np.ndarray) -> Tensor:
        return torch.tensor(np.stack([m.encode(rows) for m in models]), dtype=torch.float64, device=device)

    decoders = [model.decoders_[0].double().eval().requires_grad_(False) for model in models]
    return Models(decoders, codes(X_test[first]), codes(X_test[second]), codes(X_train[:N_STOPS]))
