"""Methods, data sets and metrics by name: entry points for built-ins and third parties alike, or file.py:Class.

Nothing is imported until it is loaded: listing reads the source of each target instead.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import re
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from bench.errors import BadInputError, nearest

Kind = Literal["method", "dataset", "metric"]
KINDS: tuple[Kind, ...] = ("method", "dataset", "metric")
DISTRIBUTION = "latentbench"


@dataclass(frozen=True)
class Entry:
    """One registered name: where it comes from, and whether what it points at is there."""

    name: str
    target: str
    origin: str
    status: Literal["ok", "broken"]
    reason: str
    summary: str


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
    if re.search(r"\.py:\w+$", target):
        return _load_file(target, root or Path.cwd())
    found = _entry_points(kind)
    if target in found:
        return _load_entry_point(kind, found[target])
    variant = re.fullmatch(r"(.+)_k([1-9]\d{0,5})", target)
    if kind == "metric" and variant and variant[1] in found:
        from metrics.catalog import with_k

        try:
            return with_k(load("metric", variant[1]), int(variant[2]))
        except ValueError as error:
            raise BadInputError(f"{target}: {error}") from error
    raise BadInputError(f"unknown {kind} {target!r}; {nearest(target, found)}")


def names(kind: Kind) -> list[str]:
    """All registered names of a kind."""
    return sorted(_entry_points(kind))


def entries(kind: Kind) -> list[Entry]:
    """All registered names with their status, found without importing them."""
    return [_inspect(point) for _, point in sorted(_entry_points(kind).items())]


def _entry_points(kind: Kind) -> dict[str, EntryPoint]:
    # Sorted so that ours come last and win over a third party's entry of the same name.
    points = sorted(entry_points(group=f"bench.{kind}s"), key=lambda point: _origin(point) == "built-in")
    return {point.name: point for point in points}


def _origin(point: EntryPoint) -> str:
    if point.dist is None or point.dist.name == DISTRIBUTION:
        return "built-in"
    return f"{point.dist.name} {point.dist.version}"


def _load_entry_point(kind: Kind, point: EntryPoint) -> Any:
    try:
        return point.load()
    except (Exception, SystemExit) as error:
        raise BadInputError(
            f"{kind} {point.name!r} ({point.value}, from {_origin(point)}) is broken: {type(error).__name__}: {error}"
        ) from error


def _load_file(target: str, root: Path) -> Any:
    file, _, attribute = target.rpartition(":")
    if "\0" in file:
        raise BadInputError(f"{target!r}: not a path")
    path = (root / Path(file).expanduser()).resolve()
    if not path.is_file():
        raise BadInputError(f"{target}: there is no file {path}")
    name = "bench_file_" + hashlib.sha256(str(path).encode()).hexdigest()[:12]
    module = sys.modules.get(name)
    if module is None:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise BadInputError(f"{target}: {path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            raise BadInputError(f"{target}: importing {path} failed: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        public = [public for public in vars(module) if not public.startswith("_")]
        raise BadInputError(f"{target}: {path} has no {attribute!r}; {nearest(attribute, public)}")
    return getattr(module, attribute)


def _inspect(point: EntryPoint) -> Entry:
    try:
        reason, summary = "", _summary(point)
    except _BrokenError as error:
        reason, summary = str(error), ""
    return Entry(point.name, point.value, _origin(point), "broken" if reason else "ok", reason, summary)


class _BrokenError(Exception):
    pass


def _summary(point: EntryPoint) -> str:
    """First line of what the target's source says of itself, once it is certain that it can be imported."""
    path = _source(point.module)
    if path is None:
        return ""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError, OSError) as error:
        raise _BrokenError(f"{path}: {error}") from error
    defined: ast.AST | None = None
    for statement in tree.body:
        if isinstance(statement, ast.Raise):
            raise _BrokenError(f"{path}:{statement.lineno} raises when imported")
        for package in _imported(statement):
            if not _exists(package):
                raise _BrokenError(f"needs the package {package!r}, which is not installed")
        if point.attr in _defined(statement):
            defined = statement
    if defined is None:
        raise _BrokenError(f"{path} does not define {point.attr!r}")
    if isinstance(defined, ast.ClassDef | ast.FunctionDef):
        return (ast.get_docstring(defined) or "").partition("\n")[0]
    about = [
        k.value for node in ast.walk(defined) if isinstance(node, ast.Call) for k in node.keywords if k.arg == "about"
    ]
    return str(about[0].value) if about and isinstance(about[0], ast.Constant) else ""


def _source(module: str) -> Path | None:
    """The source file of a module, without importing it or its parents; None for one that has no source."""
    head, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(head)
    except (ImportError, ValueError) as error:
        raise _BrokenError(f"module {head!r}: {error}") from error
    if spec is None:
        raise _BrokenError(f"there is no module {head!r}")
    path = Path(spec.origin) if spec.origin else None
    folders = [Path(folder) for folder in spec.submodule_search_locations or []]
    for name in rest:
        candidates = [p for folder in folders for p in (folder / f"{name}.py", folder / name / "__init__.py")]
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None:
            raise _BrokenError(f"there is no module {module!r}")
        folders = [path.parent] if path.name == "__init__.py" else []
    return path if path is not None and path.suffix == ".py" else None


def _imported(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Import):
        return [alias.name.partition(".")[0] for alias in statement.names]
    if isinstance(statement, ast.ImportFrom) and statement.level == 0 and statement.module:
        return [statement.module.partition(".")[0]]
    return []


def _exists(package: str) -> bool:
    try:
        return package in sys.modules or importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _defined(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return {statement.target.id}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in statement.names}
    return set()
