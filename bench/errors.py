"""What the user is told when something they gave cannot be used."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class BadInputError(Exception):
    """One clear line naming the file, key, value and the fix; the command line prints it and exits with 2."""


def shown(value: object) -> str:
    """A value as a message shows it: short, whatever it is."""
    try:
        text = repr(value)
    except ValueError:
        return "a number with too many digits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """'did you mean ...' for a misspelt name, else the list of the known ones."""
    known = sorted(known)
    folded = {entry.lower(): entry for entry in known}
    close = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)]
    if close:
        return "did you mean " + " or ".join(repr(match) for match in close) + "?"
    return "known: " + ", ".join(known)


def masked(text: str) -> str:
    """A text whose addresses (scheme://user:password@host) have lost their passwords."""
    return re.sub(r"(://[^/\s:@]*:)[^\s@]*@", r"\1***@", text)
