"""The common attached decoders of a job's cells, and the least that their scores can tell apart."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.plan.jobs import Job
from bench.running.fitting import Fit
from bench.suite.data import DatasetSpec

if TYPE_CHECKING:
    from torch import nn

    from datasets.base import Data


class AttachedDecoders:
    """The common decoders of a job's cells, fitted as one stack when a metric first asks for one."""

    def __init__(self, job: Job, fits: Sequence[Fit], data: Data) -> None:
        self.job, self.fits, self.data = job, fits, data
        self.decoders: dict[int, Any] = {}
        self.seconds = 0.0

    def get(self, position: int) -> nn.Module:
        if not self.decoders:
            self._fit()
        decoder = self.decoders[position]
        if isinstance(decoder, Exception):
            raise decoder
        return decoder.double()

    def _fit(self) -> None:
        from methods.attached import fit_decoders

        began = time.perf_counter()
        ready = [at for at, fit in enumerate(self.fits) if fit.status == "ok" and fit.fitted is not None]
        embeddings = [fit.fitted.Z_train for fit in self.fits if fit.status == "ok" and fit.fitted is not None]
        cells = [self.job.cells[at] for at in ready]
        fitted = fit_decoders(
            embeddings,
            self.data.X[self.data.train],
            [cell.seed for cell in cells],
            epochs=_epochs(cells[0].dataset),
            device=self.job.setting.device,
        )
        self.decoders = dict(zip(ready, fitted, strict=True))
        self.seconds += time.perf_counter() - began


def floor_of_conditions(data: Data, spec: DatasetSpec, split: str, latent_dim: int, device: str) -> float | None:
    """Mean condition number of the common decoder where the true one is 1.

    The decoder is fitted to as many rows that lie on a plane, the data's projections onto their first principal
    components, and their coordinates there as codes.

    Returns:
        In [1, inf); None where there are fewer components than latent dimensions, or it cannot be fitted.
    """
    import torch

    from methods.attached import fit_decoders
    from methods.pca import PCA
    from metrics.distortion import mean_condition_number

    X_train = data.X[data.train]
    if latent_dim > min(X_train.shape):
        return None
    plane = PCA(latent_dim).fit(X_train)
    Z_train = plane.encode(X_train)
    (decoder,) = fit_decoders([Z_train], plane.decode(Z_train), [0], epochs=_epochs(spec), device=device)
    if isinstance(decoder, Exception):
        return None
    decoder = decoder.double()
    Z = torch.as_tensor(plane.encode(data.X[data.rows(split)]), dtype=torch.float64)
    return float(mean_condition_number(decoder, Z.to(next(decoder.parameters()).device)))


def _epochs(spec: DatasetSpec) -> int | None:
    return 2 if spec.max_rows is not None else None
