"""Whether `import datasets` and its like would find ours: other distributions have packages of these names."""

from __future__ import annotations

import importlib.util
from pathlib import Path

FOLDERS = ("methods", "datasets", "metrics", "reports")


def foreign_packages() -> dict[str, str]:
    """Our packages by name that Python would import from elsewhere, and from where."""
    home = Path(__file__).resolve().parent.parent
    found = {}
    for name in FOLDERS:
        spec = importlib.util.find_spec(name)
        places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or [])]
        inside = [place for place in places if place and Path(place).resolve().is_relative_to(home / name)]
        if not inside:
            found[name] = "nowhere" if spec is None else str(next(filter(None, places), "an empty folder"))
    return found
