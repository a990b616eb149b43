"""Search spaces: a range {low, high, log, step} or a list of choices for each hyperparameter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.errors import BadInputError, nearest, shown
from bench.suite.signatures import SET_BY_RUNNER, check_type, parameters

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_RANGE_KEYS = {"low", "high", "log", "step"}


def check_space(component: Any, space: Any, where: str) -> dict[str, Any]:
    """A search space given in bench.toml, checked against the method's signature.

    Raises:
        BadInputError: it names an unknown parameter, or a range or choice cannot be drawn from.
    """
    import typing

    if not isinstance(space, Mapping):
        raise BadInputError(f"{where}: a table of parameters is needed, got {shown(space)}")
    known = parameters(component)
    types = typing.get_type_hints(component.__init__) if known else {}
    checked: dict[str, Any] = {}
    for name, domain in space.items():
        key = f"{where}.{name}"
        if name not in known or name in SET_BY_RUNNER:
            raise BadInputError(f"{key}: unknown parameter; {nearest(name, set(known) - set(SET_BY_RUNNER))}")
        _check_domain(domain, key)
        expected = types.get(name, Any)
        if isinstance(domain, list):
            checked[name] = [check_type(expected, choice, key) for choice in domain]
        else:
            # Checked values have the parameter's own type: integer ends of a range of floats become floats.
            ends = {end: check_type(expected, domain[end], key) for end in ("low", "high", "step") if end in domain}
            checked[name] = {**domain, **ends}
    return checked


def _check_domain(domain: Any, key: str) -> None:
    if isinstance(domain, list):
        if not domain:
            raise BadInputError(f"{key}: a list of choices needs at least one")
        return
    if not isinstance(domain, Mapping) or not {"low", "high"} <= set(domain):
        raise BadInputError(f"{key}: a list of choices or {{ low = ..., high = ... }} is needed, got {shown(domain)}")
    unknown = sorted(set(domain) - _RANGE_KEYS)
    if unknown:
        raise BadInputError(f"{key}.{unknown[0]}: unknown key; {nearest(unknown[0], _RANGE_KEYS)}")
    numbers = [domain[name] for name in ("low", "high", "step") if name in domain]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in numbers):
        raise BadInputError(f"{key}: low, high and step must be numbers, got {shown(dict(domain))}")
    if not domain["low"] < domain["high"]:
        raise BadInputError(f"{key}: low must be below high, got {domain['low']} and {domain['high']}")
    if "step" in domain and not 0 < domain["step"] <= domain["high"] - domain["low"]:
        raise BadInputError(f"{key}.step: must be positive and within the range, got {domain['step']}")
    if not isinstance(domain.get("log", False), bool):
        raise BadInputError(f"{key}.log: true or false is needed, got {domain['log']!r}")
    if domain.get("log") and (domain["low"] <= 0 or "step" in domain):
        raise BadInputError(f"{key}: log = true needs a positive low and no step, got {shown(dict(domain))}")


def distributions(space: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """Optuna's form of a search space. Choices that are no plain values become their JSON."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for name, domain in space.items():
        if isinstance(domain, list):
            found[name] = CategoricalDistribution([_plain(choice) for choice in domain])
            continue
        low, high, log, step = domain["low"], domain["high"], domain.get("log", False), domain.get("step")
        if isinstance(low, int) and isinstance(high, int):
            found[name] = IntDistribution(low, high, log=log, step=step or 1)
        else:
            found[name] = FloatDistribution(low, high, log=log, step=step)
    return found


def to_optuna(space: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parameter values in Optuna's form, or None where one lies outside the space."""
    domains = distributions(space)
    if set(domains) - set(params):
        return None
    values = {name: _plain(params[name]) for name in domains}
    inside = all(_contains(domains[name], value) for name, value in values.items())
    return values if inside else None


def from_optuna(space: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What Optuna drew, as the method's parameter values."""
    return {
        name: next(
            choice for choice in domain if _plain(choice) == values[name] and type(_plain(choice)) is type(values[name])
        )
        if isinstance(domain, list)
        else values[name]
        for name, domain in space.items()
    }


def _plain(choice: Any) -> Any:
    return choice if choice is None or isinstance(choice, bool | int | float | str) else json.dumps(choice)


def _contains(domain: Any, value: Any) -> bool:
    try:
        return bool(domain._contains(domain.to_internal_repr(value)))
    except ValueError:
        return False
