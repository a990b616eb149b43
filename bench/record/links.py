"""Links in a result folder: those that lead out of it are refused, whoever may have made the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from bench.errors import BadInputError


def refuse_links(out: Path, *parts: str) -> None:
    """Refuse a result folder that holds a link out of it: what is written there would be written elsewhere.

    The result folder may itself be reached by a link.

    Args:
        parts: names of what in it is looked through; all of it where there are none.

    Raises:
        BadInputError: there is such a link.
    """
    inside = Path(os.path.realpath(out))
    chosen = [out / name for name in parts]
    links = [part for part in chosen if part.is_symlink()]
    for link in chain(links, *map(_links, chosen or [out])):
        _refuse(link, inside)


def _refuse(link: Path, inside: Path) -> None:
    target = Path(os.path.realpath(link))
    if not target.is_relative_to(inside):
        raise BadInputError(
            f"{link}: a link that leads out of the result folder, to {target}; put what it leads to in its place, or "
            "link the whole folder"
        )


def _links(folder: Path | str) -> Iterator[Path]:
    # What a run that goes on deletes meanwhile is no link any more.
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                yield from _links(entry.path)
