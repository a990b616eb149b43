"""Processor seconds and growth of memory of rank and pair scores, one library and size for each process.

    python docs/measurements/panel_costs.py            the table, medians of three processes each
    python docs/measurements/panel_costs.py WHAT N D   one of them

Other libraries are measured where they can be imported (zadu, pyDRMetrics).
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

K = 20
SIZES = [(1_000, 50), (2_000, 50), (5_000, 50), (5_000, 784), (10_000, 50)]


def lifted_roll(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy Swiss roll in d dimensions, and a code of it that is not perfect."""
    rng = np.random.default_rng(0)
    t, h = 1.5 * np.pi * (1 + 2 * rng.uniform(size=n)), 21 * rng.uniform(size=n)
    basis, _ = np.linalg.qr(rng.normal(size=(d, 3)))
    X = np.stack([t * np.cos(t), h, t * np.sin(t)], axis=1) @ basis.T + 0.05 * rng.normal(size=(n, d))
    return X, np.stack([t, h], axis=1) + 0.5 * rng.normal(size=(n, 2))


def ours_at_k(X, Z):
    from metrics.coranking import coranking

    found = coranking(X, Z, [K])
    return found.counts(K).scores, found.false_error[K - 1], found.local_continuity[K - 1]


def ours_all_k(X, Z):
    from metrics.coranking import coranking

    return coranking(X, Z).auc_log_rnx


def ours_spearman(X, Z):
    from metrics.distances import distance_spearman

    return distance_spearman(X, Z)


def ours_non_metric(X, Z):
    from metrics.distances import non_metric_stress

    return non_metric_stress(X, Z)


def ours_three_scores(X, Z):
    from metrics.neighbors import neighbourhood_scores

    return neighbourhood_scores(X, Z, K)


def scikit_learn(X, Z):
    from sklearn.manifold import trustworthiness

    return trustworthiness(X, Z, n_neighbors=K), trustworthiness(Z, X, n_neighbors=K)


def zadu(X, Z):
    from zadu import zadu as library

    spec = [{"id": name, "params": {"k": K}} for name in ("tnc", "mrre", "lcmc")]
    return library.ZADU(spec, X).measure(Z)


def zadu_spearman(X, Z):
    from zadu import zadu as library

    return library.ZADU([{"id": "srho", "params": {}}], X).measure(Z)


def pydrmetrics_all_k(X, Z):
    from pyDRMetrics.pyDRMetrics import DRMetrics

    return DRMetrics(X, Z).AUC


WHAT: dict[str, Callable] = {
    "T C kNN MRRE LCMC at 20: ours": ours_at_k,
    "T C kNN at 20, top k alone: ours": ours_three_scores,
    "T C at 20: scikit-learn": scikit_learn,
    "T C MRRE LCMC at 20: zadu": zadu,
    "every K: ours": ours_all_k,
    "every K: pyDRMetrics": pydrmetrics_all_k,
    "Spearman: ours": ours_spearman,
    "Spearman: zadu": zadu_spearman,
    "non-metric stress: ours": ours_non_metric,
}


def measure(what: str, n: int, d: int) -> None:
    X, Z = lifted_roll(n, d)
    WHAT[what](X[:200], Z[:200])
    before, began, wall = _peak(), time.process_time(), time.perf_counter()
    found = WHAT[what](X, Z)
    seconds, walls = time.process_time() - began, time.perf_counter() - wall
    sys.stdout.write(f"{seconds:.2f} {_peak() - before:.0f} {walls:.2f} {str(found)[:120]}\n")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    if len(sys.argv) > 1:
        measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
        return
    sys.stdout.write("| | " + " | ".join(f"{n:,} x {d}" for n, d in SIZES) + " |\n" + "|---" * (len(SIZES) + 1) + "|\n")
    for what in WHAT:
        cells = [_median(what, n, d) for n, d in SIZES]
        sys.stdout.write(f"| {what} | " + " | ".join(cells) + " |\n")
        sys.stdout.flush()


def _median(what: str, n: int, d: int) -> str:
    slow = {"every K: pyDRMetrics": 2_000, "Spearman: zadu": 5_000}
    if n > slow.get(what, 10_000):
        return "–"
    runs = []
    for _ in range(1 if what == "every K: pyDRMetrics" else 3):
        done = subprocess.run(
            [sys.executable, __file__, what, str(n), str(d)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return "cannot: " + done.stderr.strip().splitlines()[-1][:40]
        runs.append([float(x) for x in done.stdout.split()[:2]])
    return f"{statistics.median(r[0] for r in runs):.2f} s, {statistics.median(r[1] for r in runs):.0f} MiB"


if __name__ == "__main__":
    main()
