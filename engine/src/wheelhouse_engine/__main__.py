"""Start the program `wheelhouse`; `python -m wheelhouse_engine` is the same."""

import gc
import sys

from wheelhouse_engine.cli.app import main as run_program


def main() -> None:
    """Run the program and end with its exit code."""
    gc.disable()  # while modules are imported, nothing is garbage; a session turns it on
    sys.exit(run_program())


if __name__ == "__main__":
    main()
