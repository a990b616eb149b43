"""Entry of the `bench` command."""

from __future__ import annotations

import sys

from bench.packages import FOLDERS, foreign_packages


def main() -> None:
    """Run the command line, unless another package has taken the name of one of ours."""
    taken = foreign_packages()
    if taken:
        name, place = next(iter(taken.items()))
        sys.stderr.write(
            f"bench: the package {name!r} would be imported from {place}, not from latentbench "
            f"(Hugging Face has a package called 'datasets' too); install latentbench in an environment of its "
            f"own, and run it outside folders called {', '.join(FOLDERS)}\n"
        )
        raise SystemExit(2)
    from bench.cli.main import run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
