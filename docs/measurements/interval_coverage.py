"""How often the report's intervals hold the truth, and how often a tie is called a win: `python FILE [REPETITIONS]`."""

from __future__ import annotations

import sys
from itertools import product

import numpy as np

from metrics.influence import of_ratio
from reports.statistics import Sample, estimate, holm, p_values

SEEDS, POINTS, METHODS = (3, 5, 10, 30), (100, 1_000), 7


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def table(rng, n_seeds, n_points, of_seeds):
    """Scores by seed and point with a long tail over points; their true mean is 1."""
    difficulty = np.exp(0.5 * rng.normal(size=(1, n_points))) - np.exp(0.125)
    return 1 + of_seeds * rng.normal(size=(n_seeds, 1)) + difficulty + 0.5 * rng.normal(size=(n_seeds, n_points))


def mean_over_points(rng, n_seeds, n_points, of_seeds):
    return table(rng, n_seeds, n_points, of_seeds)


def ratio(rng, n_seeds, n_points, of_seeds):
    """A ratio of two means whose true value is 1 / 2."""
    numerator = table(rng, n_seeds, n_points, of_seeds)
    denominator = 2 + 0.5 * rng.normal(size=n_points)
    return np.stack([of_ratio(row, denominator) for row in numerator])


def sample(points):
    return Sample(points.mean(axis=1), tuple(range(len(points))), points)


def by_seed(rng, n_seeds, draw):
    """Scores that have no points."""
    return Sample(draw(rng, n_seeds), tuple(range(n_seeds)))


# With their true means.
BY_SEED = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0),
    "log-normal, 0.5": (lambda rng, n: np.exp(0.5 * rng.normal(size=n)), np.exp(0.125)),
    "log-normal, 1": (lambda rng, n: np.exp(rng.normal(size=n)), np.exp(0.5)),
    "up to 1, most near it": (lambda rng, n: rng.beta(5, 0.5, size=n), 5 / 5.5),
    "one in five fails": (lambda rng, n: np.where(rng.uniform(size=n) < 0.2, 0.5, 1) + 0.01 * rng.normal(size=n), 0.9),
}


def coverage_by_seed(name, repetitions):
    rng = np.random.default_rng(2)
    draw, truth = BY_SEED[name]
    shares = ["no interval"]
    for n_seeds in SEEDS[1:]:
        found = [estimate(by_seed(rng, n_seeds, draw)) for _ in range(repetitions)]
        shares.append(f"{np.mean([one.low <= truth <= one.high for one in found]):.3f}")
    say(f"| seeds alone, {name} | – | – | {' | '.join(shares)} |")


def coverage(draw, truth, repetitions):
    rng = np.random.default_rng(0)
    for n_points, of_seeds in product(POINTS, (0.02, 0.2)):
        shares = []
        for n_seeds in SEEDS:
            held = 0
            for _ in range(repetitions):
                found = estimate(sample(draw(rng, n_seeds, n_points, of_seeds)))
                # Below five seeds the interval is over points alone, and claims no more.
                held += found.low <= truth <= found.high
            shares.append(f"{held / repetitions:.3f}")
        say(f"| {draw.__name__} | {n_points} | {of_seeds} | {' | '.join(shares)} |")


def positive(rng, shared, n_seeds, of_seeds):
    """Scores that cannot be negative, which are compared by their ratio."""
    seeds, rest = rng.normal(size=(n_seeds, 1)), rng.normal(size=(n_seeds, shared.shape[1]))
    return np.exp(of_seeds * seeds + 0.5 * shared + 0.5 * rest)


def of_any_sign(rng, shared, n_seeds, of_seeds):
    return shared + table(rng, n_seeds, shared.shape[1], of_seeds)


def ties(draw, repetitions):
    rng = np.random.default_rng(1)
    for n_points, of_seeds in product(POINTS, (0.0, 0.02, 0.2)):
        shares = []
        for n_seeds in SEEDS:
            won = 0
            for _ in range(repetitions):
                shared = rng.normal(size=(1, n_points))
                methods = {str(m): sample(draw(rng, shared, n_seeds, of_seeds)) for m in range(METHODS)}
                won += bool(holm(np.array(list(p_values(methods).values()))).min() < 0.05)
            shares.append(f"{won / repetitions:.3f}")
        what = f"tie of {METHODS} methods called a win, scores {draw.__name__}"
        say(f"| {what} | {n_points} | {of_seeds} | {' | '.join(shares)} |")


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    say(f"| what | test points | deviation over seeds | {' | '.join(f'{n} seeds' for n in SEEDS)} |")
    say("|---|---|---|" + "---|" * len(SEEDS))
    coverage(mean_over_points, 1.0, times)
    coverage(ratio, 0.5, times)
    for name in BY_SEED:
        coverage_by_seed(name, times)
    ties(of_any_sign, times // 5)
    ties(positive, times // 5)
