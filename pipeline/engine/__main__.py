"""Start the program `wheelhouse`; `python -m pipeline.engine` is the same."""

import sys

from pipeline.engine.cli.app import main as run_program


def main() -> None:
    """Run the program and end with its exit code."""
    sys.exit(run_program())


if __name__ == "__main__":
    main()
