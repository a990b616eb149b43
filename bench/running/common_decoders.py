"""The common attached decoders of a job's cells."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.plan.jobs import Job
from bench.running.fitting import Fit

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
        epochs = 2 if cells[0].dataset.max_rows is not None else None
        fitted = fit_decoders(
            embeddings,
            self.data.X[self.data.train],
            [cell.seed for cell in cells],
            epochs=epochs,
            device=self.job.setting.device,
        )
        self.decoders = dict(zip(ready, fitted, strict=True))
        self.seconds += time.perf_counter() - began
