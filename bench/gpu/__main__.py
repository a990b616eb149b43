"""The command: python -m bench.gpu --device cuda --out DIR; exit code 1 where a part failed, 2 without the device."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.gpu import results, session
from bench.gpu.child import FAILED
from bench.gpu.parts import parts
from methods.training.device import choose_device


def main(arguments: Sequence[str]) -> int:
    """Do all parts on a device; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description="All that waits for a GPU.")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: smaller, to see that it works")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="where gpu.md and gpu.json go")
    given = parser.parse_args(arguments)
    try:
        choose_device(given.device)
    except ValueError as error:
        sys.stderr.write(f"--device: {error}; --device cpu shows that the command works\n")
        return 2
    given.out.mkdir(parents=True, exist_ok=True)
    known = results.facts(given.device)
    began = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - began:4.0f} s] {line}\n")
        sys.stdout.flush()

    say(f"{known['device']}; torch {known['torch']}")
    outcomes: list[session.Outcome] = []
    for outcome in session.run(parts(given.device), given.device, given.out, say):
        outcomes.append(outcome)
        # After every part: whoever ends this before its time keeps what was found.
        files = results.write(given.out, known, outcomes)
    say("wrote " + ", ".join(map(str, files)))
    return int(any(outcome.status == FAILED for outcome in outcomes))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
