from __future__ import annotations

import pytest

from tests.metrics.geodesics.decoders import draw, network


@pytest.fixture(scope="module")
def ensemble():
    return [network(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def pairs():
    return 2 * draw(6, 2, seed=1), 2 * draw(6, 2, seed=2)
