"""What a person wants to know of a component before using it."""

from __future__ import annotations

import inspect
from typing import Any

from bench.errors import BadInputError, nearest
from bench.suite import registry
from bench.suite.signatures import defaults


def describe_component(name: str) -> dict[str, Any]:
    """Parameters, defaults, presets, search space, capabilities and source of a method, data set or metric.

    Raises:
        BadInputError: no component has this name.
    """
    kind, found = component_of(name)
    return _metric(name, found) if kind == "metric" else _class(name, kind, found)


def component_of(name: str) -> tuple[registry.Kind, Any]:
    """The component of a name or of a file.py:Class, whatever kind it is of.

    Raises:
        BadInputError: no component has this name.
    """
    for kind in registry.KINDS:
        if name in registry.names(kind) or _is_loadable(kind, name):
            return kind, registry.load(kind, name)
    everything = [known for kind in registry.KINDS for known in registry.names(kind)]
    raise BadInputError(f"unknown component {name!r}; {nearest(name, everything)}")


def _is_loadable(kind: registry.Kind, name: str) -> bool:
    """Whether the name is a file.py:Class of this kind, or a metric's variant."""
    if ".py:" in name:
        found = registry.load(kind, name)
        return kind == registry.kind_of(found)
    try:
        return kind == "metric" and bool(registry.load(kind, name))
    except BadInputError:
        return False


def _class(name: str, kind: str, component: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "kind": kind, "about": inspect.getdoc(component) or ""}
    found["parameters"] = _own_first(component, defaults(component))
    if kind == "method":
        found["search space"] = dict(getattr(component, "search_space", {}))
        for preset, values in getattr(component, "presets", {}).items():
            found[f"preset {preset}"] = dict(values)
        found["capabilities"] = capabilities(component)
    return found


def _own_first(component: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Parameters, those that a class declares itself before those of its bases; the latent dimension comes first."""
    declared = [name for base in component.__mro__ for name in vars(base).get("__annotations__", {})]
    order = {name: at for at, name in enumerate(dict.fromkeys(["latent_dim", *declared]))}
    return dict(sorted(values.items(), key=lambda item: order.get(item[0], len(order))))


def capabilities(component: Any) -> dict[str, Any]:
    """What a method's class shows that it can do."""
    return {
        "encodes new points": hasattr(component, "encode"),
        "decoder": getattr(component, "decoder_kind", "native") if hasattr(component, "decode") else "none",
        "differentiable decoder": hasattr(component, "decoders_"),
        "trains many models as one stack": hasattr(component, "fit_many"),
        "can be saved and loaded": hasattr(component, "state_arrays") and hasattr(component, "load_arrays"),
    }


def _metric(name: str, metric: Any) -> dict[str, Any]:
    return {
        "name": name, "kind": "metric", "better": metric.better, "scope": metric.scope,
        "needs": ", ".join(sorted(metric.needs)) or "nothing but the embedding", "about": metric.about,
    }  # fmt: skip
