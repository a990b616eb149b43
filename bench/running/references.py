"""What belongs to a data set alone when its embeddings are scored: computed by the first worker, kept for all.

Large arrays lie in the result folder by the content of the data, memory-mapped, with their checksums; one that is
damaged is computed again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datasets.base import Data
from metrics.reference import Reference

FOLDER = "references"
# Of fewer points counting anew costs less than a file.
LEAST_KEPT = 1_000

# Distances between rows of fewer features are computed as fast as they are read.
WIDE = 64

_FACTS = "facts.json"

log = logging.getLogger(__name__)


def reference_of(data: Data, split: str, content: str, exact_up_to: int, out: Path) -> Reference:
    """What is known of the scored points of a data set, from the folder where it was computed before.

    Args:
        content: hash of the data. exact_up_to: of more points, query points are scored against all.
        out: the result folder.
    """
    name = f"{hashlib.sha256(content.encode()).hexdigest()[:16]}-{split}-{exact_up_to}"
    reference = Reference.sampled(data.X[data.rows(split)], exact_up_to)
    if reference.n >= LEAST_KEPT:
        _complete(reference, out / FOLDER / name)
    return reference


def _complete(reference: Reference, folder: Path) -> None:
    """Give a reference its large arrays, from the folder or else into it; a full disk costs only the sharing."""
    try:
        with _held(folder):
            if not _load(reference, folder):
                reference.count_ranks()
                _save(reference, folder)
                _load(reference, folder)
    except OSError as error:
        log.warning("%s: ranks and distances cannot be shared between workers: %s", folder, error.strerror or error)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """While one worker computes, the others wait for it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _kept(reference: Reference) -> tuple[str, ...]:
    """Names of the arrays that are kept of a reference."""
    distances = ("pair_distances",) if reference.X.shape[1] >= WIDE else ()
    return (*distances, "ranks", "distance_ranks")


def _save(reference: Reference, folder: Path) -> None:
    try:
        facts = {name: _save_one(reference, name, folder) for name in _kept(reference)}
        (folder / _FACTS).write_text(json.dumps(facts))
    except OSError:
        # Some of them are of no use, and what filled the disk is in the way of the ledger.
        for path in (*folder.glob("*.npy"), *folder.glob("*.part")):
            path.unlink()
        raise


def _save_one(reference: Reference, name: str, folder: Path) -> str:
    """Write an array, and let the reference take it from there; its checksum."""
    path = folder / f"{name}.npy"
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        _write(reference, name, file)
    part.replace(path)
    setattr(reference, name, np.load(path, mmap_mode="r", allow_pickle=False))
    return _checksum(path)


def _write(reference: Reference, name: str, file: BinaryIO) -> None:
    if name == "pair_distances":
        header = {"descr": "<f8", "fortran_order": False, "shape": (len(reference.pairs),)}
        np.lib.format.write_array_header_1_0(file, header)
        for block in reference.distances():
            file.write(block.data)
        return
    np.save(file, getattr(reference, name), allow_pickle=False)


def _load(reference: Reference, folder: Path) -> bool:
    """Map the arrays of the folder, if they are all there and undamaged."""
    try:
        facts = json.loads((folder / _FACTS).read_text())
        paths = {name: folder / f"{name}.npy" for name in _kept(reference)}
        if any(_checksum(path) != facts[name] for name, path in paths.items()):
            log.warning("%s is damaged and computed again", folder)
            return False
        found = {name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in paths.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    of_pairs = [array for name, array in found.items() if name != "ranks"]
    if found["ranks"].shape != (reference.n_rows, reference.n) or set(map(len, of_pairs)) != {len(reference.pairs)}:
        return False
    for name, array in found.items():
        setattr(reference, name, array)
    return True


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
