"""Which kernels, decoders and shapes are timed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.kernels.decoders import DECODERS
from bench.kernels.forms import COMPILED, GRAPH, KERNELS, OURS

# (batch, latent dimension): one of them varies, the other stays small.
SHAPES = ((100, 2), (1_000, 2), (10_000, 2), (100, 16), (100, 128))
QUICK_SHAPES = ((100, 2), (1_000, 2))
# Compiling takes seconds to a minute each.
COMPILED_SHAPES = ((100, 2), (10_000, 2))
# Differences of neighbouring images need all digits of single precision.
FULL_PRECISION_ONLY = ("geodesic energy and gradient",)
REDUCED = ("tf32", "bfloat16")


@dataclass(frozen=True)
class Case:
    """One form of one kernel, on one decoder and shape."""

    kernel: str
    decoder: str
    batch: int
    latent: int
    form: str
    precision: str = "float32"

    def __str__(self) -> str:
        mark = "" if self.precision == "float32" else f" in {self.precision}"
        return f"{self.kernel}, {self.decoder}, {self.batch} points, d = {self.latent}: {self.form}{mark}"


def cases(device: str, *, quick: bool = False, kernels: Sequence[str] = ()) -> list[Case]:
    """All cases for a device; the forms of one derivative on one shape stand together, smaller batches first.

    Args:
        device: 'cpu' or 'cuda'; CUDA graphs and reduced precision are of the latter.
        quick: one decoder, two shapes, nothing compiled.
        kernels: names; all where empty.
    """
    decoders = ["mlp-256x4"] if quick else list(DECODERS)
    shapes = QUICK_SHAPES if quick else SHAPES
    return [
        Case(kernel, decoder, *shape, form, precision)
        for kernel in (kernels or KERNELS)
        for decoder in decoders
        for shape in shapes
        for form, precision in _forms(kernel, shape, device, quick)
    ]


def _forms(kernel: str, shape: tuple[int, int], device: str, quick: bool) -> Iterator[tuple[str, str]]:
    for form in KERNELS[kernel].forms:
        if form == GRAPH and device != "cuda":
            continue
        if form == COMPILED and (quick or shape not in COMPILED_SHAPES):
            continue
        yield form, "float32"
    if device == "cuda" and not quick and kernel not in FULL_PRECISION_ONLY and OURS in KERNELS[kernel].forms:
        yield from ((OURS, precision) for precision in REDUCED)
