"""Whether a figure stands in its file already: galleries of many models are drawn once, and not with every report."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image

# Of the text in a PNG file that says what its figure was drawn from.
KEY = "Drawn from"


def drawn_from(arrays: Mapping[str, np.ndarray], title: str) -> str:
    """What a figure depends on, in short: its arrays and title, and the programs that draw it."""
    digest = hashlib.sha256(f"{_programs()}\0{title}".encode())
    for name, values in sorted(arrays.items()):
        digest.update(f"\0{name} {values.dtype.str} {values.shape}\0".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def is_drawn(path: Path, key: str) -> bool:
    """Whether a PNG file holds the figure of this key."""
    try:
        with Image.open(path) as image:
            return image.info.get(KEY) == key
    except (OSError, SyntaxError):  # the latter is what a broken PNG file is to Pillow
        return False


@cache
def _programs() -> str:
    sources = b"\0".join(file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))
    return f"{mpl.__version__} {hashlib.sha256(sources).hexdigest()}"
