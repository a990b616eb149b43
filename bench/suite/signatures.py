"""Hyperparameters as the signature of `__init__` declares them: names, defaults, types, checks."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from bench.errors import BadInputError, nearest, shown

# The runner sets these for each cell; they are no part of a configuration.
SET_BY_RUNNER = {"random_state": "[run] report_seeds and tune_seeds", "device": "--device",
                 "sample_shape": "the data set", "dataset": "the data set's name",
                 "suite_folder": "where the bench.toml is", "content": "what the files hold"}  # fmt: skip
# Of data sets it sets this alone.
OF_DATA_SETS = ("suite_folder",)


def parameters(component: Any) -> dict[str, inspect.Parameter]:
    """The parameters of a class's `__init__` by name; none for a class without one of its own."""
    if component.__init__ is object.__init__:
        return {}
    found = list(inspect.signature(component.__init__).parameters.values())[1:]
    return {p.name: p for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def defaults(component: Any) -> dict[str, Any]:
    """Default values by name, as JSON has them; parameters the runner sets are left out."""
    return {
        name: as_json(parameter.default)
        for name, parameter in parameters(component).items()
        if parameter.default is not parameter.empty and name not in SET_BY_RUNNER
    }


def resolve(component: Any, given: Mapping[str, Any], where: str, *, runner_sets: bool) -> dict[str, Any]:
    """All parameter values of a component: what is given, checked against the signature, over its defaults.

    Args:
        where: the file and table that the values were given in, for messages.
        runner_sets: whether all of `SET_BY_RUNNER` belong to the runner (a method) or are mostly free (a data set).

    Raises:
        BadInputError: an unknown name, a value of the wrong type, or one missing that has no default.
    """
    known = parameters(component)
    theirs = SET_BY_RUNNER if runner_sets else OF_DATA_SETS
    types = type_hints(component)
    values = {n: as_json(p.default) for n, p in known.items() if p.default is not p.empty}
    for name, value in given.items():
        if name not in known:
            raise BadInputError(f"{where}.{name}: unknown parameter; {nearest(name, known)}")
        if name in theirs:
            raise BadInputError(f"{where}.{name}: is set by {SET_BY_RUNNER[name]}, not here")
        values[name] = check_type(types.get(name, Any), value, f"{where}.{name}")
    for name, value in values.items():
        if name not in given and not _is_json(value):
            raise BadInputError(f"{where}.{name}: the default {shown(value)} cannot be written as JSON; give a value")
    missing = [n for n in known if n not in values and n not in theirs]
    if missing:
        raise BadInputError(f"{where}: parameter {missing[0]!r} has no default and must be given")
    return {n: v for n, v in values.items() if n not in theirs}


def unset(component: Any, params: Mapping[str, Any]) -> Any:
    """An instance of a method with these parameters, and None for what the runner would set and has no default."""
    required = [name for name, p in parameters(component).items() if name in SET_BY_RUNNER and p.default is p.empty]
    return component(**params, **dict.fromkeys(required))


def check_type(expected: Any, value: Any, where: str) -> Any:
    """A value as JSON has it, checked against a type annotation.

    Raises:
        BadInputError: it is of another type.
    """
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(expected, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, PydanticUserError, NameError):
        return value
    try:
        return as_json(adapter.validate_json(json.dumps(value, allow_nan=False), strict=True))
    except (ValidationError, TypeError, ValueError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "not a value that JSON can hold"
        raise BadInputError(f"{where}: {said[0].lower()}{said[1:]}, got {shown(value)}") from error


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def as_json(value: Any) -> Any:
    """The value that a round trip through JSON would give: tuples become lists."""
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if hasattr(value, "item"):
        return value.item()
    return value


def accepted(function: Any, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the offered keyword arguments that a function's signature takes."""
    known = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in known.values()):
        return dict(offered)
    return {name: value for name, value in offered.items() if name in known}


def type_hints(component: Any) -> dict[str, Any]:
    """The annotations of a class's `__init__` by name; none where they cannot be told."""
    try:
        return typing.get_type_hints(component.__init__)
    except (NameError, TypeError, AttributeError):
        return {}
