"""The parts, with their sizes on a GPU, and on a CPU, which only shows that the command works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# A line of a part's table: column -> number or text.
Row = Mapping[str, Any]
Report = Callable[[Row], None]


@dataclass(frozen=True)
class Part:
    """Something that waits for a GPU.

    Attributes:
        name: of its log.
        title: of its table.
        module: its `run(device, report, **sizes)` does it, and reports rows as they are found.
        limit: seconds that it may take, those of starting a process included.
        sizes: what `run` is given beside the device; numbers and lists of them.
    """

    name: str
    title: str
    module: str
    limit: float
    sizes: Mapping[str, Any] = field(default_factory=dict)


# Name -> title, module.
_PARTS = {
    "device_tests": ("Tests of methods and metrics, CPU against GPU", "bench.gpu.device_tests"),
    "graphs": ("Training steps of one IRVAE, as CUDA graphs and launched one by one", "bench.gpu.graphs"),
    "stacks": ("IRVAE as a stack of seeds, and as plain PyTorch loops", "bench.gpu.stacks"),
    "derivatives": ("Derivatives of mlp-256x4, d = 2: milliseconds, largest relative errors", "bench.gpu.derivatives"),
    "geodesics": ("Geodesics of retrained VAEs of the digits, one batch", "bench.gpu.geodesics"),
}

# Name -> limit, sizes. All limits together leave half a minute of the nine minutes.
_KERNELS = ["jvp", "vjp", "jacobian", "pullback metric", "distortion step", "geodesic energy and gradient"]
_TESTS = {"files": ["tests/methods/test_devices.py", "tests/metrics/test_devices.py"]}
_SIZES: dict[str, dict[str, tuple[float, dict[str, Any]]]] = {
    "cuda": {
        "device_tests": (90, _TESTS),
        "graphs": (60, {"width": 256, "n_features": 784, "batches": 50, "epochs": 10, "rounds": 3}),
        "stacks": (
            110,
            {"n_models": 30, "width": 256, "n_features": 784, "batches": 50, "epochs": 10, "plain_epochs": 2,
             "rounds": 3},
        ),
        "derivatives": (
            150, {"kernels": _KERNELS, "batches": [100, 1_000, 10_000], "seconds": 0.1, "compile_until": 80.0}
        ),
        "geodesics": (100, {"n_models": 30, "n_pairs": 50, "epochs": 60, "n_checked": 3}),
    },
    "cpu": {
        "device_tests": (100, _TESTS),
        "graphs": (60, {"width": 256, "n_features": 784, "batches": 10, "epochs": 3, "rounds": 1}),
        "stacks": (
            100,
            {"n_models": 10, "width": 256, "n_features": 784, "batches": 10, "epochs": 1, "plain_epochs": 1,
             "rounds": 1},
        ),
        "derivatives": (100, {"kernels": _KERNELS, "batches": [100], "seconds": 0.05, "compile_until": 0.0}),
        "geodesics": (120, {"n_models": 6, "n_pairs": 50, "epochs": 20, "n_checked": 2}),
    },
}  # fmt: skip


def parts(device: str) -> list[Part]:
    """All parts for 'cpu' or 'cuda', in the order in which they are done."""
    return [Part(name, *_PARTS[name], *sized) for name, sized in _SIZES[device].items()]
