"""Axes of a suite: `{ axis = [2, 4, 8] }` stands for one table for each value, under a name that says which."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from bench.errors import BadInputError, shown

AXIS = "axis"


def expanded(name: str, table: Mapping[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tables that one with axes stands for, by name: `irvae[latent_dim=4]`; one without is itself.

    Raises:
        BadInputError: an axis is no list of different values.
    """
    axes = {key: _values(value[AXIS], f"{where}.{key}") for key, value in table.items() if _is_axis(value)}
    if not axes:
        yield name, dict(table)
        return
    for chosen in itertools.product(*axes.values()):
        values = dict(zip(axes, chosen, strict=True))
        said = ",".join(f"{key}={_text(value)}" for key, value in values.items())
        yield f"{name}[{said}]", {**table, "target": table.get("target", name), **values}


def family(name: str) -> str:
    """The name that the table of a method or data set had, without the values of its axes."""
    return name.partition("[")[0]


@lru_cache(maxsize=10_000)
def axis_of(dataset: str, method: str) -> str | None:
    """The values of all axes of a pair, as in 'noise=0.1, latent_dim=4'; None where it has none."""
    found = [part for name in (dataset, method) for part in re.findall(r"\[(.*)\]$", name)]
    return ", ".join(",".join(found).split(",")) or None


def _is_axis(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {AXIS}


def _values(given: Any, where: str) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise BadInputError(f"{where}.{AXIS}: a list of values is needed, such as [2, 4, 8], got {shown(given)}")
    texts = [_text(value) for value in given]
    twice = [text for text in texts if texts.count(text) > 1]
    if twice:
        raise BadInputError(f"{where}.{AXIS}: {twice[0]} is given twice")
    return given


def _text(value: Any) -> str:
    """A value as a part of a name: of letters, digits, '.', '_', '+' and '-'."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "-".join(map(_text, value)) or "none"
    return re.sub(r"[^\w.+-]+", "_", f"{value:g}" if isinstance(value, float) else str(value))
