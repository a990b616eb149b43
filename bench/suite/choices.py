"""What a suite chooses: data sets and methods by name, with all their parameters resolved and checked."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.errors import BadInputError, nearest, shown
from bench.suite import registry
from bench.suite.axes import family
from bench.suite.search_space import check_space
from bench.suite.signatures import parameters, resolve, unset

# The table of what all methods share.
ALL = "*"
# For a method that trains stacks and does not say.
_LEAST_STACK = 4


@dataclass(frozen=True)
class DatasetChoice:
    """A data set of the suite: its name there, what loads it, and its resolved parameters."""

    name: str
    target: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class MethodChoice:
    """A method of the suite: resolved parameters, and the search space of those left free.

    Attributes:
        stackable: parameters that may differ between models trained as one stack.
        least_stack: models that are not dealt out over workers; None where each is trained alone.
    """

    name: str
    target: str
    params: Mapping[str, Any]
    search: Mapping[str, Any]
    stackable: tuple[str, ...] = ()
    least_stack: int | None = None


Choice = TypeVar("Choice", DatasetChoice, MethodChoice)


def matching(kind: str, choices: Sequence[Choice], glob: str, file: Path) -> list[Choice]:
    """Those of a suite's methods or data sets whose names match a glob, with or without the values of their axes.

    Raises:
        BadInputError: it matches none.
    """
    found = [
        choice for choice in choices
        if choice.name == glob or any(fnmatch.fnmatchcase(name, glob) for name in (choice.name, family(choice.name)))
    ]  # fmt: skip
    if not found:
        raise BadInputError(
            f"--{kind} {glob!r} matches none of {file}; {nearest(glob, [choice.name for choice in choices])}"
        )
    return found


def _component(path: Path, kind: registry.Kind, name: str, table: Mapping[str, Any]) -> tuple[str, Any]:
    target = table.get("target", name)
    where = f"{path}: {kind}s.{name}"
    if not isinstance(target, str):
        raise BadInputError(f"{where}.target: a name or 'file.py:Class' is needed, got {target!r}")
    try:
        component = registry.load(kind, target, path.resolve().parent)
    except BadInputError as error:
        raise BadInputError(f"{where}: {error}") from error
    needed = "fit" if kind == "method" else "load"
    if not isinstance(component, type) or not callable(getattr(component, needed, None)):
        raise BadInputError(f"{where}: {target} is no {kind}; a class with a method {needed} is needed")
    return target, component


def with_shared(path: Path, methods: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The tables of a suite's methods, each with what `[methods."*"]` sets for all that have such a parameter.

    Raises:
        BadInputError: none has it, or there is no other table.
    """
    shared = methods.get(ALL, {})
    tables = {name: table for name, table in methods.items() if name != ALL}
    if not tables:
        raise BadInputError(f'{path}: methods: give at least one table beside [methods."{ALL}"], e.g. [methods.pca]')
    if not shared:
        return tables
    known = {name: set(parameters(_component(path, "method", name, table)[1])) for name, table in tables.items()}
    for key in shared:
        if not any(key in names for names in known.values()):
            everything = sorted(set().union(*known.values()))
            raise BadInputError(
                f"{path}: methods.{ALL}.{key}: no method of this suite has this parameter; {nearest(key, everything)}"
            )
    return {
        name: {**{key: value for key, value in shared.items() if key in known[name]}, **table}
        for name, table in tables.items()
    }


def dataset_choice(path: Path, name: str, table: Mapping[str, Any]) -> DatasetChoice:
    """What `[datasets.name]` asks for."""
    target, component = _component(path, "dataset", name, table)
    given = {key: value for key, value in table.items() if key != "target"}
    params = resolve(component, given, f"{path}: datasets.{name}", runner_sets=False)
    return DatasetChoice(name, target, params)


def method_choice(path: Path, name: str, table: Mapping[str, Any], *, smoke: bool) -> MethodChoice:
    """What `[methods.name]` asks for; with `smoke`, of two epochs."""
    target, component = _component(path, "method", name, table)
    where = f"{path}: methods.{name}"
    given = {key: value for key, value in table.items() if key not in ("target", "preset", "search")}
    preset = _preset(component, table.get("preset"), where)
    params = resolve(component, {**preset, **given}, where, runner_sets=True)
    _check_values(component, params, where)
    if "content" in parameters(component):
        params["content"] = component.content_of(params, path.resolve().parent)
    if "search" in table:
        search = check_space(component, table["search"], f"{where}.search")
        fixed = sorted(set(search) & set(given))
        if fixed:
            raise BadInputError(f"{where}.search.{fixed[0]}: is given a fixed value too; remove one of them")
    else:
        own = check_space(component, getattr(component, "search_space", {}), f"{where}: the method's own search_space")
        search = {key: space for key, space in own.items() if key in params and key not in {**preset, **given}}
    for key, domain in search.items():
        for value in domain if isinstance(domain, list) else (domain["low"], domain["high"]):
            _check_values(component, {**params, key: value}, f"{where}.search.{key}")
    if smoke and "epochs" in params:
        params["epochs"] = 2
    stackable = tuple(getattr(component, "stackable", ()))
    return MethodChoice(name, target, params, search, stackable, _least_stack(component))


def _least_stack(component: Any) -> int | None:
    return getattr(component, "least_stack", _LEAST_STACK) if hasattr(component, "fit_many") else None


def _preset(component: Any, preset: Any, where: str) -> dict[str, Any]:
    if preset is None:
        return {}
    presets = getattr(component, "presets", {})
    if not isinstance(preset, str) or preset not in presets:
        known = nearest(str(preset), presets) if presets else "this method has none"
        raise BadInputError(f"{where}.preset: unknown preset {shown(preset)}; {known}")
    return dict(presets[preset])


def _check_values(component: Any, params: Mapping[str, Any], where: str) -> None:
    """Have the method itself refuse values that cannot be used, before anything runs."""
    try:
        check = getattr(unset(component, params), "check_parameters", None)
        if check is not None:
            check()
    except (ValueError, TypeError) as error:
        raise BadInputError(f"{where}: {error}") from error
    except (Exception, SystemExit) as error:
        raise BadInputError(f"{where}: making the method failed: {type(error).__name__}: {error}") from error


def starting_point(choice: MethodChoice) -> dict[str, Any]:
    """The values that the searched parameters have without tuning: the preset's, else the defaults."""
    return {name: choice.params[name] for name in choice.search}
