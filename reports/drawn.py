"""Whether a figure stands in its file already: it is drawn once, and not with every report."""

from __future__ import annotations

import hashlib
import io
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from PIL import Image

# Of the text in a PNG file that says what its figure was drawn from.
KEY = "Drawn from"


def drawn_from(*given: Any) -> str:
    """What a figure depends on, in short: all that it is made from, and the programs that draw it."""
    written = io.BytesIO()
    pickler = pickle.Pickler(written, protocol=5)
    # Equal texts are written alike, be they one object or several.
    pickler.fast = True
    pickler.dump(given)
    return hashlib.sha256(_programs() + written.getbuffer()).hexdigest()


def is_drawn(path: Path, key: str) -> bool:
    """Whether a PNG file holds the figure of this key."""
    try:
        with Image.open(path) as image:
            return image.info.get(KEY) == key
    except (OSError, SyntaxError):  # the latter is what a broken PNG file is to Pillow
        return False


@cache
def _programs() -> bytes:
    sources = b"\0".join(file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))
    return f"{mpl.__version__} {hashlib.sha256(sources).hexdigest()}\n".encode()
