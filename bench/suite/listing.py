"""What is registered, found by reading the source of each target: nothing is imported for a list."""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

from bench.suite.registry import Kind, entry_points_of, origin


@dataclass(frozen=True)
class Entry:
    """One registered name: where it comes from, whether what it points at is there, and what that says of itself.

    'absent' is what needs packages that are not installed, as the reason says.
    `better` is 'lower' or 'higher' for a metric whose source says so, else ''.
    """

    name: str
    target: str
    origin: str
    status: Literal["ok", "absent", "broken"]
    reason: str
    summary: str
    about: str
    better: str = ""


# What makes metrics that are all better in one direction.
_DIRECTIONS = {"of_neighbourhoods": "higher"}


def entries(kind: Kind) -> list[Entry]:
    """All registered names with their status, found without importing them."""
    return [_inspect(point) for _, point in sorted(entry_points_of(kind).items())]


def _inspect(point: EntryPoint) -> Entry:
    try:
        reason, defined = "", _definition(point)
    except _BrokenError as error:
        reason, defined = str(error), None
    about, better = _about(defined), _better(defined)
    summary = about.partition("\n")[0]
    status: Literal["ok", "absent", "broken"] = "broken" if reason else "ok"
    absent = [package for package in _packages(defined) if not _exists(package)]
    if absent and not reason:
        status, reason = "absent", f"needs {', '.join(absent)}: pip install 'latentbench[more]'"
    return Entry(point.name, point.value, origin(point), status, reason, summary, about, better)


class _BrokenError(Exception):
    pass


def _definition(point: EntryPoint) -> ast.AST | None:
    """Where the target's source defines it, once it is certain that it can be imported; None without a source."""
    path = _source(point.module)
    if path is None:
        return None
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
    return defined


def _about(defined: ast.AST | None) -> str:
    """What a class or function, or a metric by its `about`, says of itself."""
    if isinstance(defined, ast.ClassDef | ast.FunctionDef):
        return ast.get_docstring(defined) or ""
    about = [keyword.value for call in _calls(defined) for keyword in call.keywords if keyword.arg == "about"]
    return str(about[0].value) if about and isinstance(about[0], ast.Constant) else ""


def _packages(defined: ast.AST | None) -> list[str]:
    """What a class names as `packages`."""
    body = defined.body if isinstance(defined, ast.ClassDef) else []
    named = [s.value for s in body if isinstance(s, ast.AnnAssign) and ast.unparse(s.target) == "packages"]
    constants = [node for value in named if value for node in ast.walk(value) if isinstance(node, ast.Constant)]
    return [str(constant.value) for constant in constants]


def _better(defined: ast.AST | None) -> str:
    for call in _calls(defined):
        said = [keyword.value for keyword in call.keywords if keyword.arg == "better"]
        given = [value.value for value in (*said, *call.args) if isinstance(value, ast.Constant)]
        named = _DIRECTIONS.get(call.func.id) if isinstance(call.func, ast.Name) else None
        found = next((value for value in given if value in ("lower", "higher")), None) or named
        if found:
            return str(found)
    return ""


def _calls(defined: ast.AST | None) -> list[ast.Call]:
    return [] if defined is None else [node for node in ast.walk(defined) if isinstance(node, ast.Call)]


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
