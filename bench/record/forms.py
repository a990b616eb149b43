"""The form of what a ledger's lines hold: a line that was changed or damaged is told apart before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# A type or several, a list of such values, or a table of them; what ends in '?' may be absent.
Form = Any


@dataclass(frozen=True)
class _Table:
    """The form of a table.

    Attributes:
        keys: of each value its name, whether it must be there, the types that need no closer look, and its form.
    """

    keys: tuple[tuple[str, bool, tuple[type, ...], Form], ...]


def _ready(form: Form) -> Form:
    """A form as it is quick to check by: a large ledger holds millions of values."""
    if isinstance(form, list):
        return [_ready(form[0])]
    if not isinstance(form, dict):
        return form
    return _Table(tuple((n.removesuffix("?"), not n.endswith("?"), _types(f), _ready(f)) for n, f in form.items()))


def _types(form: Form) -> tuple[type, ...]:
    return form if isinstance(form, tuple) else (form,) if isinstance(form, type) else ()


_NUMBER = (int, float)

_SPEC = {"name": str, "target": str, "params": dict, "content": str, "max_rows?": (int, type(None))}
_SCORE = {
    "requested": str, "metric": str, "split": str, "value": (int, float, type(None)), "better": str, "status?": str,
    "reason?": str,
}  # fmt: skip
RECORD = _ready({
    "suite": str, "status": str, "requested": [str], "versions?": dict, "reason": str, "traceback": str,
    "scores": [_SCORE],
    "cell": {
        "phase": str, "dataset": _SPEC, "method": str, "target": str, "params": dict, "seed?": (int, type(None)),
        "seeds?": [int],
    },
    "explained_variance?": (int, float, type(None)), "decoder": str, "encoder?": str, "device": str, "git_sha": str,
    "git_dirty": bool, "started_at": str, "intermediate": [list],
    **dict.fromkeys(("fit_seconds", "decoder_seconds", "score_seconds", "warm_up_seconds", "peak_memory_mb"), _NUMBER),
})  # fmt: skip
_CONFIGURATION = {"config_id": str, "params": dict, "scores": dict}
SELECTION = _ready({
    "dataset": str, "method": str, "spec": _SPEC, "seeds": [int], "note": str, "trials": [str], "group?": str,
    "front?": [_CONFIGURATION], "rules?": str, **_CONFIGURATION,
})  # fmt: skip
_SCORED_BY = {
    "name": str, "target": str, "version": (int, str), "scope": str, "better": str, "needs": [str], "variants": [[str]],
}  # fmt: skip
_CLAIM = {
    "statement": str, "source": str, "published": str, "metric": str, "left": str, "sign": str, "factor": _NUMBER,
    "right": str, "right_metric": str, "value": (int, float, type(None)), "datasets": [str],
}  # fmt: skip
RUN = _ready({
    "suite?": str, "command?": str, "config?": str, "methods?": [str], "datasets?": [str], "metrics?": [str],
    "min_explained_variance?": _NUMBER, "report_seeds?": [int], "tune_seeds?": [int], "data?": dict, "versions?": dict,
    "hardware?": dict, "started_at?": str, "tuning?": (dict, type(None)), "n_workers?": int, "threads?": int,
    "device?": str, "git_sha?": str, "git_dirty?": bool, "scored_by?": [_SCORED_BY], "claims?": [_CLAIM],
})  # fmt: skip
END = _ready({"wall_seconds": _NUMBER, "busy_seconds": _NUMBER, "n_workers": int})


def check(value: Any, form: Form) -> None:
    """Whether a value has a form.

    Raises:
        ValueError: it has not.
    """
    if isinstance(form, _Table):
        _check_table(value, form)
    elif isinstance(form, list):
        if not isinstance(value, list | tuple):
            raise ValueError("not a list")
        for item in value:
            check(item, form[0])
    elif not isinstance(value, form) or (isinstance(value, bool) and form is not bool):
        raise ValueError("a value of another type")


def _check_table(value: Any, form: _Table) -> None:
    if not isinstance(value, dict):
        raise ValueError("not a table")
    for name, needed, types, expected in form.keys:
        if name in value:
            given = value[name]
            if type(given) not in types:
                check(given, expected)
        elif needed:
            raise ValueError(f"{name} is missing")
