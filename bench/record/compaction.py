"""Many parts of a ledger made one compressed file: a folder that hundreds of nodes wrote to starts as fast as any.

The parts go only once the file that holds them is on the disk, and a part that such a file names is not read again: a
kill at any moment loses nothing and counts nothing twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.record.stamps import next_stamp

# Fewer parts are read as they are.
MOST_PARTS = 50

_PARTS = b"latentbench.parts"
_LINE = "line"


def compact(folder: Path, unfinished: Sequence[str] = (), most: int = MOST_PARTS) -> Path | None:
    """Put the parts of a ledger into one file, where there are more of them than `most`; that file.

    Args:
        unfinished: names of parts that another process may still write to.
    """
    before = compacted(folder)
    parts = [path for path in sorted(folder.glob("*.jsonl")) if path.name not in unfinished]
    if len(parts) + len(before) <= most:
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    # What a kill left behind is in the newest of the files, which names the parts it holds.
    named = {name for path in before[-1:] for name in parts_of(path)}
    lines = [line for path in before[-1:] for line in lines_of(path)]
    lines += [line for path in parts if path.name not in named for line in path.read_bytes().splitlines(keepends=True)]
    names = json.dumps(sorted(named | {path.name for path in parts})).encode()
    table = pa.table({_LINE: pa.array(lines, pa.binary())}).replace_schema_metadata({_PARTS: names})
    path = folder / f"{next_stamp(folder)}-{os.getpid()}.parquet"
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync(folder)
    for old in (*parts, *before):
        old.unlink()
    return path


def compacted(folder: Path) -> list[Path]:
    """The files that hold former parts, the one that holds the others last."""
    return sorted(folder.glob("*.parquet"))


def parts_of(path: Path) -> set[str]:
    """Names of the parts that a file holds.

    Raises:
        OSError, ValueError: it is no such file.
    """
    import pyarrow.parquet as pq

    found = (pq.read_schema(path).metadata or {}).get(_PARTS)
    if found is None:
        raise ValueError("it does not say which parts it holds")
    return set(json.loads(found))


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of all parts that a file holds, in their order.

    Raises:
        OSError, ValueError: it is no such file.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=[_LINE]):
            yield from batch.column(0).to_pylist()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
