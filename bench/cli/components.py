"""Commands on components: methods, data sets and metrics."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import FAILED, Json, app, leave, print_json, show
from bench.suite import listing, registry


class Components(StrEnum):
    """What `bench list` lists."""

    methods = "methods"
    datasets = "datasets"
    metrics = "metrics"


class Kind(StrEnum):
    """What `bench new` writes."""

    method = "method"
    dataset = "dataset"
    metric = "metric"
    suite = "suite"


@app.command("list")
def list_components(what: Annotated[Components, typer.Argument(help="What to list.")], as_json: Json = False) -> None:
    """List methods, datasets or metrics: built in, and from installed plug-ins; broken ones too."""
    kinds: dict[str, registry.Kind] = {"methods": "method", "datasets": "dataset", "metrics": "metric"}
    rows = [vars(entry) for entry in listing.entries(kinds[what.value])]
    columns = ("name", *(["better"] if what is Components.metrics else []), "status", "origin", "summary")
    show(rows, columns, as_json, fold={"summary": lambda row: row["reason"] or row["summary"]})


@app.command()
def describe(name: Annotated[str, typer.Argument(metavar="NAME")], as_json: Json = False) -> None:
    """Show parameters, defaults, presets, search space, capabilities and the paper of a component."""
    from bench.describe import describe_component

    found = describe_component(name)
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        if key == "about":
            sys.stdout.write(f"\n{value}\n")
        elif isinstance(value, dict):
            sys.stdout.write(f"\n{key}\n" + "".join(f"  {k} = {json.dumps(v)}\n" for k, v in value.items()))
        else:
            sys.stdout.write(f"{key}: {value}\n")


@app.command()
def check(target: Annotated[str, typer.Argument(metavar="NAME|file.py:Class")], as_json: Json = False) -> None:
    """Run the conformance kit on a method, a data set or a metric. Exit code 1 if a check fails."""
    from bench.conformance import run_checks
    from bench.describe import component_of

    outcomes = run_checks(component_of(target)[1])
    rows = [vars(outcome) for outcome in outcomes]
    show(rows, ("check", "status", "detail"), as_json, title=target)
    leave(FAILED if any(outcome.status == "failed" for outcome in outcomes) else 0)


@app.command()
def new(
    kind: Annotated[Kind, typer.Argument(help="What to write.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name; the file is NAME.py or NAME.toml.")],
) -> None:
    """Write a small commented method, data set, metric or suite here, which runs as it is."""
    from bench.new import write_new

    path = write_new(kind.value, name, Path())
    then = {
        Kind.method: f"bench check {path}:{name.title().replace('_', '')}",
        Kind.dataset: f'in a bench.toml: [datasets.{name}] target = "./{path}:{name.title().replace("_", "")}"',
        Kind.metric: f'in a bench.toml: [metrics] use = ["./{path}:{name}"]',
        Kind.suite: f"bench run {path}",
    }
    sys.stdout.write(f"{path}\n{then[kind]}\n")
