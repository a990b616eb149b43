"""Methods, data sets, metrics, executors by name: entry points for built-ins and third parties alike, or file.py:Class.

Nothing is imported until it is loaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from bench.errors import BadInputError, nearest

Kind = Literal["method", "dataset", "metric", "executor"]
# What a suite names, and `bench list`, `new` and `check` know.
KINDS: tuple[Kind, ...] = ("method", "dataset", "metric")
DISTRIBUTION = "latentbench"


def method(name: str) -> Any:
    """The class of a method."""
    return load("method", name)


def dataset(name: str) -> Any:
    """The class of a data set."""
    return load("dataset", name)


def metric(name: str) -> Any:
    """A metric's description; NAME_k20 is a neighbourhood metric at 20 neighbours."""
    return load("metric", name)


def load(kind: Kind, target: str, root: Path | None = None) -> Any:
    """What a registered name or a `file.py:Class` (relative to `root`) stands for.

    Raises:
        BadInputError: there is no such name or file, or importing it fails.
    """
    if is_file(target):
        return _load_file(target, root or Path.cwd())
    found = entry_points_of(kind)
    if target in found:
        return _load_entry_point(kind, found[target])
    variant = re.fullmatch(r"(.+)_k([1-9]\d{0,5})", target)
    if kind == "metric" and variant and variant[1] in found:
        from metrics.metric import with_k

        try:
            return with_k(load("metric", variant[1]), int(variant[2]))
        except ValueError as error:
            raise BadInputError(f"{target}: {error}") from error
    own = f"; `bench new {kind} NAME` begins one of your own" if kind in KINDS else ""
    raise BadInputError(f"unknown {kind} {target!r}; {nearest(target, found)}{own}")


def is_built_in(kind: Kind, target: str) -> bool:
    """Whether a target is a component of ours."""
    found = entry_points_of(kind).get(target)
    return found is not None and origin(found) == "built-in"


def is_file(target: str) -> bool:
    """Whether a target is a `file.py:Class`."""
    return re.search(r"\.py:\w+$", target) is not None


def hash_of_file(target: str, root: Path) -> str:
    """What tells apart the texts that the file of a `file.py:Class` has had."""
    return hashlib.sha256(_read(_path_of(target, root), target)).hexdigest()[:8]


def kind_of(component: Any) -> Kind:
    """What a component is, by what it can do."""
    return "metric" if hasattr(component, "compute") else "dataset" if hasattr(component, "load") else "method"


def names(kind: Kind) -> list[str]:
    """All registered names of a kind."""
    return sorted(entry_points_of(kind))


def entry_points_of(kind: Kind) -> dict[str, EntryPoint]:
    """The entry point that each registered name stands for."""
    return _entry_points(f"bench.{kind}s", tuple(sys.path))


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Those of all distributions on a path, which takes milliseconds to look through."""
    # Sorted so that ours come last and win over a third party's entry of the same name.
    points = sorted(entry_points(group=group), key=lambda point: origin(point) == "built-in")
    return {point.name: point for point in points}


def origin(point: EntryPoint) -> str:
    """'built-in', or the distribution that an entry point comes from."""
    if point.dist is None or point.dist.name == DISTRIBUTION:
        return "built-in"
    return f"{point.dist.name} {point.dist.version}"


def _load_entry_point(kind: Kind, point: EntryPoint) -> Any:
    try:
        return point.load()
    except (Exception, SystemExit) as error:
        raise BadInputError(
            f"{kind} {point.name!r} ({point.value}, from {origin(point)}) is broken: {type(error).__name__}: {error}"
        ) from error


def _load_file(target: str, root: Path) -> Any:
    attribute = target.rpartition(":")[2]
    path = _path_of(target, root)
    module = _module_of(path, target)
    if not hasattr(module, attribute):
        public = [public for public in vars(module) if not public.startswith("_")]
        raise BadInputError(f"{target}: {path} has no {attribute!r}; {nearest(attribute, public)}")
    return getattr(module, attribute)


def _path_of(target: str, root: Path) -> Path:
    file = target.rpartition(":")[0]
    if "\0" in file:
        raise BadInputError(f"{target!r}: not a path")
    path = (root / Path(file).expanduser()).resolve()
    if not path.is_file():
        raise BadInputError(f"{target}: there is no file {path}")
    return path


def _read(path: Path, target: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{target}: {path} cannot be read: {error.strerror or error}") from error


def _module_of(path: Path, target: str) -> ModuleType:
    """The module that a file is, imported once for each content it has had."""
    source = _read(path, target)
    name = "bench_file_" + hashlib.sha256(str(path).encode() + b"\0" + source).hexdigest()[:12]
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInputError(f"{target}: {path} is not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        # Not by the loader, whose cache takes a file of the same size and second for the same file.
        exec(compile(source, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise BadInputError(f"{target}: importing {path} failed: {type(error).__name__}: {error}") from error
    return module
