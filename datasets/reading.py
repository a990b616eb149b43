"""Arrays and tables from files that people have: .npy, .npz, .csv, .parquet, .h5ad; nothing is unpickled.

A place is a file and, after a colon, what of it is meant: an array of an .npz file, columns of a table (with commas),
a part of an AnnData file such as `obsm/X_umap` or `obs/cell_type`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".ckpt")
_UNNAMED = "Unnamed: 0"


def parted(place: str) -> tuple[str, str]:
    """The file that a place names, and what of it ('' for all)."""
    file, colon, key = place.rpartition(":")
    return (file, key) if colon and Path(file).suffix.lower() in (*_READERS, *_PICKLED) else (place, "")


def read(place: str, folder: Path) -> Any:
    """An array, or a data frame of a table.

    Args:
        folder: what relative paths are relative to.

    Raises:
        ValueError: there is no such file or part, it cannot be read, or it is of no known format; the message says
            what to do.
    """
    name, key = parted(place)
    path = folder / Path(name).expanduser()
    suffix = path.suffix.lower()
    if suffix in _PICKLED:
        raise ValueError(
            f"{path}: reading a pickled file can run what somebody hid in it; load it yourself and write its array: "
            f'np.save("{path.stem}.npy", array)'
        )
    if suffix not in _READERS:
        raise ValueError(f"{path}: {suffix or 'a file without ending'} is not read; use {', '.join(_READERS)}")
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        return _READERS[suffix](path, key)
    except ImportError as error:
        raise ValueError(f"{path}: {error.name} is needed to read it: pip install {error.name}") from error
    except Exception as error:
        # Each library has errors of its own for a damaged file.
        if "allow_pickle" in str(error):
            raise ValueError(
                f"{path} is damaged, or holds Python objects, which only unpickling reads; write it as numbers: "
                f'np.save("{path.stem}.npy", array.astype(float))'
            ) from error
        raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def names_a_file(place: str) -> bool:
    """Whether a place names a file of a known format, and not only a part of one."""
    return Path(parted(place)[0]).suffix.lower() in (*_READERS, *_PICKLED)


def _npy(path: Path, key: str) -> Any:
    if key:
        raise ValueError(f"{path} holds one array, without names; leave ':{key}' out")
    with path.open("rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _npz(path: Path, key: str) -> Any:
    with np.load(path, allow_pickle=False) as arrays:
        if not key and len(arrays.files) == 1:
            return arrays[arrays.files[0]]
        if key not in arrays.files:
            _no_part(path, key, arrays.files)
        return arrays[key]


def _csv(path: Path, key: str) -> Any:
    import pandas as pd

    head = pd.read_csv(path, nrows=0)
    named = not all(map(_is_number, head.columns))
    table = pd.read_csv(path, header=0 if named else None)
    # What pandas writes of a frame's own row numbers, unless it is told not to.
    if _UNNAMED in table and (table[_UNNAMED] == np.arange(len(table))).all():
        table = table.drop(columns=_UNNAMED)
    return _columns(path, table, key)


def _parquet(path: Path, key: str) -> Any:
    import pandas as pd

    return _columns(path, pd.read_parquet(path), key)


def _columns(path: Path, table: pd.DataFrame, key: str) -> Any:
    names = [name.strip() for name in key.split(",") if name.strip()]
    for name in names:
        if name not in table:
            _no_part(path, name, list(map(str, table.columns)))
    return table[names[0]] if len(names) == 1 else table[names] if names else table


def _h5ad(path: Path, key: str) -> Any:
    import anndata

    data = anndata.read_h5ad(path)
    part, _, name = key.partition("/")
    if not key:
        return data.X
    if part not in ("obsm", "obs", "layers") or name not in getattr(data, part):
        parts = [f"{part}/{known}" for part in ("obsm", "obs", "layers") for known in getattr(data, part)]
        _no_part(path, key, parts)
    return getattr(data, part)[name]


def _no_part(path: Path, key: str, known: list[str]) -> None:
    said = f"has no {key!r}" if key else "holds several arrays"
    shown = ", ".join(known[:12]) + (" ..." if len(known) > 12 else "")
    raise ValueError(f"{path} {said}; name one of {shown} after a colon: {path.name}:{known[0] if known else 'NAME'}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_READERS: Mapping[str, Callable[[Path, str], Any]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".csv": _csv,
    ".parquet": _parquet,
    ".h5ad": _h5ad,
}
