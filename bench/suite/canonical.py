"""The canonical JSON of a value, the same for any order of keys, and what is named by it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from functools import lru_cache
from typing import Any


def canonical(value: Any) -> str:
    """A value, dataclasses in it as their fields, as text.

    Raises:
        ValueError: it has no such text, as not a number has none.
    """
    return _ENCODER.encode(value)


@lru_cache(maxsize=1024, typed=True)
def canonical_scalar(value: str | int) -> str:
    """`canonical` of a value that very many things have in common."""
    return canonical(value)


def digest(value: Any) -> str:
    """Hash of a value's canonical JSON."""
    return digest_of_text(canonical(value))


def digest_of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=_fields)
