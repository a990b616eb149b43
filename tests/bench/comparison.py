"""Comparing the tables of two result folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

# What a resumed run may not be asked to reproduce: times, what they were measured on, and commits made meanwhile.
VOLATILE = ["fit_seconds", "decoder_seconds", "score_seconds", "peak_memory_mb", "started_at", "git_sha", "git_dirty"]


def frame_of(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "results.parquet")


def assert_same_results(one: pd.DataFrame, other: pd.DataFrame) -> None:
    left, right = one.drop(columns=[*VOLATILE, "value"]), other.drop(columns=[*VOLATILE, "value"])
    pd.testing.assert_frame_equal(left, right)
    np.testing.assert_allclose(one["value"].astype(float), other["value"].astype(float), rtol=1e-6)
