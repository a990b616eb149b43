"""Where data files are: a folder named by LATENTBENCH_DATA, else a cache filled by verified downloads."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "LATENTBENCH_DATA"


def data_folder() -> Path | None:
    """The folder that LATENTBENCH_DATA names, or None.

    Raises:
        FileNotFoundError: the variable names something that is not a folder.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"{VARIABLE}={named} is not a folder; unset it or point it at one")
    return folder


def cache_folder() -> Path:
    """Where downloads are kept between runs."""
    import pooch

    return Path(pooch.os_cache("latentbench"))


def given_folder(name: str, files: str) -> Path:
    """The folder `name` of the data folder, for data that are read where their files are.

    Args:
        files: what has to be in it and where that comes from, for the message.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    folder = data_folder()
    if folder is not None and (folder / name).is_dir():
        return folder / name
    raise FileNotFoundError(f"{name} is read where its files are: put {files} into ${VARIABLE}/{name}")


def fetch(relative: str, url: str, known_hash: str) -> Path:
    """The file `relative` of the data folder, or a copy downloaded from `url` and checked against `known_hash`.

    Raises:
        FileNotFoundError: it is in neither place and could not be downloaded.
    """
    folder = data_folder()
    if folder is not None and (folder / relative).is_file():
        return folder / relative
    import pooch

    pooch.get_logger().setLevel("WARNING")
    target = cache_folder() / relative
    try:
        return Path(pooch.retrieve(url, known_hash, fname=target.name, path=target.parent, progressbar=False))
    except (OSError, ValueError) as error:
        where = "" if folder is None else f" is not in {folder} ({VARIABLE}) and"
        raise FileNotFoundError(
            f"{relative}{where} could not be downloaded from {url}: {error}; put the file at ${VARIABLE}/{relative}"
        ) from error
