"""`bench new`: a small file of one's own to begin with, which runs as it is."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from bench.errors import BadInputError

_TEMPLATES = Path(__file__).with_name("templates")


def write_new(kind: str, name: str, folder: Path) -> Path:
    """Write a method, a data set, a metric or a suite to begin with.

    Args:
        kind: 'method', 'dataset', 'metric' or 'suite'.

    Raises:
        BadInputError: the name cannot be one, or the file is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,60}", name) or keyword.iskeyword(name):
        raise BadInputError(f"{name!r}: a name is made of small letters, digits and '_', and begins with a letter")
    (template,) = _TEMPLATES.glob(f"{kind}.*.txt")
    path = folder / f"{name}{Path(template.stem).suffix}"
    text = template.read_text(encoding="utf-8").format(name=name, Name=name.title().replace("_", ""))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise BadInputError(f"{path} is there already; give another name") from error
    except OSError as error:
        raise BadInputError(f"{path} cannot be written: {error.strerror}") from error
    return path
