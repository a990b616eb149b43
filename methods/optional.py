"""Packages that a few methods need and an installation may go without."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType


def optional_package(name: str) -> ModuleType:
    """A package of the extra `more`, imported.

    Raises:
        ValueError: it is not installed; the message says how to install it.
    """
    try:
        with warnings.catch_warnings():
            # What they announce on import is about their own dependencies.
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"needs the package {name!r}: pip install 'latentbench[more]' ({error})") from error
