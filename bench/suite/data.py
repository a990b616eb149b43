"""The data sets of a suite: what is asked for, what it contains, and the loaded arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BadInputError
from bench.suite import registry
from bench.suite.canonical import canonical

if TYPE_CHECKING:
    from bench.suite.choices import DatasetChoice
    from bench.suite.config import Suite
    from datasets.base import Data


@dataclass(frozen=True)
class DatasetSpec:
    """A data set as a suite asks for it: its name there, its target, its parameters, what they contain."""

    name: str
    target: str
    params: Mapping[str, Any]
    content: str
    max_rows: int | None = None

    @cached_property
    def canonical(self) -> str:
        """Its canonical JSON."""
        return canonical(self)


_SHARED: dict[str, DatasetSpec] = {}


def shared(spec: DatasetSpec) -> DatasetSpec:
    """One object for all cells of a data set: there may be very many."""
    return _SHARED.setdefault(repr(spec), spec)


def load_data(spec: DatasetSpec, root: Path) -> Data:
    """The data that a specification stands for."""
    # pydantic, which signatures are checked by, may be absent where kernels are timed.
    from bench.suite.signatures import parameters
    from datasets.base import as_data, head

    component = registry.load("dataset", spec.target, root)
    folder = {"suite_folder": str(root)} if "suite_folder" in parameters(component) else {}
    data = as_data(component(**spec.params, **folder).load())
    return data if spec.max_rows is None else head(data, spec.max_rows)


def load_dataset(suite: Suite, choice: DatasetChoice) -> tuple[DatasetSpec, Data]:
    """A data set's specification with the hash of its content, and the data.

    Raises:
        BadInputError: it cannot be loaded; the message says what it said.
    """
    from datasets.base import content_hash

    spec = DatasetSpec(choice.name, choice.target, choice.params, "", suite.max_rows)
    try:
        data = load_data(spec, suite.root)
    except BadInputError:
        raise
    except (Exception, SystemExit) as error:
        said = str(error) or type(error).__name__
        raise BadInputError(f"{suite.file}: datasets.{choice.name}: {said}") from error
    return replace(spec, content=content_hash(data)), data
