"""Links in a result folder: those that lead out of it are refused, whoever may have made the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.errors import BadInputError


def refuse_links(folder: Path, out: Path) -> None:
    """Refuse a part of a result folder, or all of it, that is a link out of it or holds one.

    What is written there would be written elsewhere. The result folder may itself be reached by a link.

    Raises:
        BadInputError: there is such a link.
    """
    inside = Path(os.path.realpath(out))
    if folder != out and folder.is_symlink():
        _refuse(folder, inside)
    for link in _links(folder):
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
