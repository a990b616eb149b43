"""Seconds and peak memory of commands on result folders with very many records.

    python docs/measurements/large_ledger.py N FOLDER    make a folder of N records and time commands on it

Half of the records are trials, by random search; half are of report seeds. The records are those of a small real run,
with other ids. The first `run` draws the figures, the second has nothing to do at all.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

SUITE = """
suite = "large"
[run]
report_seeds = {seeds}
tune_seeds = [5000]
[tune]
trials = {trials}
batch = 100
sampler = "random"
pruner = "off"
[datasets.swiss_roll]
n = 160
noise = {{ axis = [{noises}] }}
[methods.ae]
epochs = 150
search.learning_rate = {{ low = 1e-4, high = 1e-2, log = true }}
[methods.isomap]
search.n_neighbors = {{ low = 5, high = 2000 }}
[metrics]
use = ["knn_preservation", "trustworthiness", "continuity", "stress", "reconstruction_mse", "relaxed_distortion", "mcn"]
[track]
mlflow = "off"
"""
PER_PAIR = 500


def fabricate(n: int, out: Path) -> None:
    """A finished run's ledger without its computations."""
    from bench.plan.protocol import Pair, protocol
    from bench.record.ledger import FOLDER, SCHEMA, Ledger
    from bench.suite.config import load_suite
    from bench.suite.data import load_dataset

    noises = ", ".join(str(at / 100) for at in range(max(1, n // (4 * PER_PAIR))))
    out.mkdir(parents=True, exist_ok=True)
    file = out / "bench.toml"
    text = SUITE.format(seeds=list(range(PER_PAIR)), trials=PER_PAIR, noises=noises)
    small = text.replace(str(list(range(PER_PAIR))), "[0]").replace(f"trials = {PER_PAIR}", "trials = 1")
    file.write_text(small.replace(noises, "0.0"))
    subprocess.run([sys.executable, "-m", "bench", "run", str(file), "--out", str(out / "small")], check=True)
    file.write_text(text)
    templates = {(r.cell.method, r.cell.phase): r for r in Ledger(out / "small").records.values()}
    suite = load_suite(file)
    started = next(
        line
        for path in sorted((out / "small" / FOLDER).glob("*.jsonl"))
        for line in path.open()
        if '"run"' in line[:40]
    )
    folder = out / "large" / FOLDER
    folder.mkdir(parents=True)
    with (folder / "20260101T000000000000-1.jsonl").open("w") as ledger:
        ledger.write(started)
        for choice in suite.datasets:
            spec, _ = load_dataset(suite, choice)
            for method in suite.methods:
                asked = protocol(Pair(spec, method), suite, out / "scratch")
                request, records = next(asked), {}
                while True:
                    for cell in request.cells:
                        template = templates[cell.method, cell.phase]
                        scores = tuple(
                            replace(s, value=None if s.value is None else s.value * (1 + (hash(cell.id) % 997) / 1e5))
                            for s in template.scores
                        )
                        record = replace(template, cell=cell, scores=scores)
                        ledger.write(
                            json.dumps({"schema": SCHEMA, "kind": "job", "records": [record.to_json()]}) + "\n"
                        )
                        records[cell.id] = record
                    try:
                        request = asked.send({cell.id: records[cell.id] for cell in request.cells})
                    except StopIteration as end:
                        chosen = {**asdict(end.value), "spec": asdict(spec), "seeds": list(suite.report_seeds)}
                        entry = {"kind": "selection", "dataset": spec.name, "method": method.name, **chosen}
                        ledger.write(json.dumps({"schema": SCHEMA, **entry}) + "\n")
                        break


def timed(*command: str) -> str:
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "bench", *command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall, processor = time.perf_counter() - began, used.ru_utime + used.ru_stime
    ended = os.waitstatus_to_exitcode(status)
    return f"{wall:.1f} s, {processor:.1f} of the processor, {used.ru_maxrss / 1e6:.2f} GB, exit {ended}"


if __name__ == "__main__":
    n, out = int(sys.argv[1]), Path(sys.argv[2]).resolve()
    if not out.exists():
        # In a process of its own: the peak memory of a command is at least that of the process that starts it.
        making = multiprocessing.get_context("spawn").Process(target=fabricate, args=(n, out))
        making.start()
        making.join()
        if making.exitcode:
            raise SystemExit(f"{out} could not be made; remove it before another try")
    large = str(out / "large")
    for command in (
        ("status", large), ("plan", str(out / "bench.toml"), "--out", large),
        ("run", str(out / "bench.toml"), "--out", large), ("run", str(out / "bench.toml"), "--out", large),
        ("report", large),
    ):  # fmt: skip
        sys.stdout.write(f"{command[0]}: {timed(*command)}\n")
        sys.stdout.flush()
