"""The results frame: tidy, one row per cell and metric, with the columns that results.parquet has."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# Nullable types, so that a missing value is missing and not NaN, and a seed stays an integer.
COLUMNS = {
    "suite": "string", "phase": "string", "dataset": "string", "method": "string", "params": "string",
    "config_id": "string", "cell_id": "string", "seed": "Int64", "n_seeds": "Int64", "split": "string",
    "metric": "string", "value": "Float64", "better": "string", "status": "string", "reason": "string",
    "decoder": "string", "encoder": "string", "fit_seconds": "Float64", "decoder_seconds": "Float64",
    "score_seconds": "Float64", "stack_size": "Int64", "peak_memory_mb": "Float64", "device": "string",
    "git_sha": "string", "git_dirty": "boolean", "started_at": "string", "axis": "string",
}  # fmt: skip

_OF_SCORES = frozenset({"split", "metric", "value", "better", "status", "reason"})
_TEXT = "string"
_TEXTS = [name for name, dtype in COLUMNS.items() if dtype == _TEXT]
# So many at once are written: as texts they take much memory.
_ROWS = 20_000
# So many, each with its scores, are made columns of at once.
_UNITS = 2_000
# Of the frame's units, whose metrics come in the order of the alphabet.
_ORDER = ["phase", "dataset", "method", "config_id", "seed"]


class FrameError(ValueError):
    """A file is not a results frame."""


def results_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The frame of these rows, in an order that does not depend on theirs; its texts are categories.

    Args:
        rows: values by column. One with 'scores', a list of such, stands for as many rows: each has what its score
            says in the columns of scores, and shares all others.
    """
    columns = {name: _Texts() if dtype == _TEXT else _Numbers(dtype) for name, dtype in COLUMNS.items()}
    counts: list[int] = []
    left = iter(rows)
    while some := list(islice(left, _UNITS)):
        scores = [row.get("scores", (row,)) for row in some]
        counts += map(len, scores)
        for name, column in columns.items():
            column.extend([row.get(name) for row in (chain(*scores) if name in _OF_SCORES else some)])
    ranks = _ranks({name: columns[name].values() for name in _ORDER})
    unit = np.repeat(np.arange(len(counts)), counts)
    # A missing one is last; in the smallest integers that hold the codes it might find no room.
    metric = columns["metric"].values().codes.astype(np.int64)
    order = np.lexsort((np.where(metric < 0, len(metric), metric), ranks[unit]))
    unit = unit[order]
    # One after the other: of very many rows no column is held twice.
    return pd.DataFrame({n: columns.pop(n).values()[order if n in _OF_SCORES else unit] for n in COLUMNS}, copy=False)


def _ranks(of_units: Mapping[str, Any]) -> np.ndarray:
    """The place of each unit in the frame, the same for those that only their metrics tell apart."""
    return pd.DataFrame(of_units).groupby(_ORDER, sort=True, observed=True, dropna=False).ngroup().to_numpy()


class _Texts:
    """A column of texts: of many rows few say different things, and none is held twice."""

    def __init__(self) -> None:
        self._codes = array("i")
        # A missing text has the code that pandas knows it by.
        self._known: dict[str | None, int] = {None: -1}

    def extend(self, texts: Sequence[str | None]) -> None:
        for text in dict.fromkeys(texts):
            self._known.setdefault(text, len(self._known) - 1)
        self._codes.extend(map(self._known.__getitem__, texts))

    def values(self) -> pd.Categorical:
        """In the order of the alphabet, so that rows sort by what they say."""
        found = pd.Categorical.from_codes(np.asarray(self._codes), pd.Index(list(self._known)[1:], dtype=_TEXT))
        return found.reorder_categories(found.categories.sort_values())


class _Numbers:
    """A column of numbers or truth values."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype
        self._values: list[Any] = []

    def extend(self, values: Sequence[Any]) -> None:
        self._values += values

    def values(self) -> Any:
        return pd.array(self._values, dtype=self._dtype)


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write results.parquet, its texts as texts, replacing an earlier one in one step."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.Schema.from_pandas(frame.iloc[:0].astype(COLUMNS), preserve_index=False)
    texts = {name: pa.array(frame[name].cat.categories, schema.field(name).type) for name in _TEXTS}

    def column(name: str, values: pd.Series[Any]) -> pa.Array:
        if name not in texts:
            return pa.array(values, schema.field(name).type)
        codes = values.cat.codes.to_numpy()
        return texts[name].take(pa.array(codes, mask=codes < 0))

    partial = path.with_name(path.name + ".partial")
    with pq.ParquetWriter(partial, schema) as file:
        for start in range(0, len(frame), _ROWS):
            rows = frame.iloc[start : start + _ROWS]
            file.write_table(pa.table([column(name, rows[name]) for name in schema.names], schema))
    partial.replace(path)


def read_frame(path: Path, better_of: Callable[[str], str | None] = lambda name: None) -> pd.DataFrame:
    """Read a results frame, also one that another program wrote.

    Args:
        better_of: 'lower' or 'higher' of a metric that is known, by its name, where a frame does not say it; of others
            lower is taken to be better, which the arrow beside their names shows.

    Raises:
        FrameError: it is no parquet file, or a column is missing or of another type.
    """
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        # Text that is none would be noticed only where it is used.
        table.validate(full=True)
        frame = table.to_pandas()
    except Exception as error:
        raise FrameError(f"{path}: not a readable parquet file: {error}") from error
    needed = ["dataset", "method", "metric", "value"]
    absent = [name for name in needed if name not in frame.columns]
    if absent:
        raise FrameError(f"{path}: column {absent[0]!r} is missing; needed are {', '.join(needed)}")
    assumed = {
        "phase": "final",
        "status": "ok",
        "decoder": "none",
        "encoder": "native",
        "split": "test",
        "suite": path.stem,
    }
    for name in COLUMNS:
        if name not in frame.columns:
            frame[name] = assumed.get(name, pd.NA)
    try:
        known = frame[list(COLUMNS)].astype(COLUMNS)
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError(f"{path}: {error}") from error
    for name in needed[:3]:
        if known[name].isna().any():
            raise FrameError(f"{path}: column {name!r} has rows without a value; give each row one")
    known["better"] = _directions(known, better_of, path)
    texts = {name: known[name].astype("category") for name, dtype in COLUMNS.items() if dtype == _TEXT}
    # As in frames of our own, what is not finite is no value.
    return known.assign(**texts, value=known["value"].where(np.isfinite(known["value"].astype(float)), pd.NA))


def _directions(frame: pd.DataFrame, better_of: Callable[[str], str | None], path: Path) -> pd.Series:
    """Which way each row's metric is better, as the frame says it, or else as it is known."""
    known = {name: better_of(name) or "lower" for name in frame["metric"].unique()}
    found = frame["better"].fillna(frame["metric"].map(known).astype("string"))
    wrong = found[~found.isin(["lower", "higher"])]
    if len(wrong):
        raise FrameError(f"{path}: column 'better' holds {wrong.iloc[0]!r}; write 'lower' or 'higher'")
    return found


def final_values(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the final phase that carry a value."""
    return frame[(frame["phase"] == "final") & frame["value"].notna()]


def as_reported(frame: pd.DataFrame, config_ids: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """Rows of one configuration for each data set and method: of a front, the one that is reported.

    Args:
        config_ids: that configuration, by data set and method. Where it is not known and there are several, each is
            shown as a method of its own, under its id.
    """
    # Decided once for each configuration, and looked up for its rows: there may be very many.
    groups = frame.groupby(["phase", "dataset", "method", "config_id"], sort=False, observed=True, dropna=False)
    found = groups.head(1)
    final = (found["phase"] == "final").to_numpy()
    n_configs = found[final].groupby(["dataset", "method"], observed=True)["config_id"].nunique()
    several = {pair for pair, count in n_configs.items() if count > 1} - set(config_ids)
    kept, names = [], []
    for dataset, method, config, counts in zip(
        found["dataset"], found["method"], found["config_id"].astype("string").fillna(""), final, strict=True
    ):
        chosen = config_ids.get((dataset, method))
        kept.append(chosen is None or not counts or config == chosen)
        names.append(f"{method} {config[:6]}" if (dataset, method) in several and counts else method)
    number = groups.ngroup().to_numpy()
    shown = _Texts()
    shown.extend(names)
    return frame.assign(method=shown.values()[number])[np.array(kept, dtype=bool)[number]]


def of_models(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows about one model each; without those about all seeds of a configuration together."""
    return frame[~is_over_seeds(frame)]


def is_over_seeds(frame: pd.DataFrame) -> pd.Series:
    """Which rows are about all seeds of a configuration together."""
    return frame["seed"].isna() & frame["n_seeds"].notna()


def in_order(found: Iterable[str], wanted: Iterable[str] = ()) -> list[str]:
    """The names that occur, those wanted first and in that order."""
    present = list(dict.fromkeys(found))
    first = [name for name in wanted if name in present]
    return first + sorted(name for name in present if name not in first)
