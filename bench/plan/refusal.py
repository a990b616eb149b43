"""Cells that cannot be computed, known before anything runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.suite import registry
from bench.suite.signatures import unset

log = logging.getLogger(__name__)


def refusal(target: str, params: Mapping[str, Any], shape: tuple[int, int], root: Path) -> str | None:
    """Why a method with these parameters cannot be fitted; None where it may well be.

    A method says so by raising ValueError in `check_shape(n_samples, n_features)`.

    Args:
        shape: of the training rows (n_samples, n_features).
    """
    component = registry.load("method", target, root)
    if not hasattr(component, "check_shape"):
        return None
    try:
        unset(component, params).check_shape(*shape)
    except ValueError as error:
        return str(error)
    except (Exception, SystemExit):
        # A third party's method that fails here may fail in its fit as well, which then has a record and a log.
        log.info("%s.check_shape failed", target, exc_info=True)
    return None
