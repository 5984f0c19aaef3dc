"""Check the signed statements about an image.

    python3 -m sign.verify --public-key FILE --digest sha256:… BUNDLE…

Prints one line for each statement that holds. Others may have signed statements of their own, so one
that this key does not hold for is reported on stderr. Exit status 1 when none holds.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from sign.bundle import verified_statement
from sign.errors import SignError
from sign.keys import public_key


def main() -> int:
    """Return 0 when at least one bundle holds, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--public-key", type=Path, required=True)
    parser.add_argument("--digest", required=True)
    parser.add_argument("bundles", type=Path, nargs="*")
    options = parser.parse_args()
    failures = []
    held = 0
    try:
        key = public_key(options.public_key.read_bytes())
    except SignError as error:
        print(f"not verified: {error}", file=sys.stderr)
        return 1
    for path in options.bundles:
        try:
            statement = verified_statement(path.read_bytes(), key, options.digest)
            print(f"{options.digest} {statement['predicateType']} verified{_said(statement)}")
            held += 1
        except SignError as error:
            failures.append(f"{path.name}: {error}")
    if not options.bundles:
        failures.append(
            f"no signed statement about {options.digest}; expected one. Was it published with a key?"
        )
    print("".join(f"not verified: {one}\n" for one in failures), file=sys.stderr, end="")
    return 0 if held else 1


def _said(statement: dict[str, Any]) -> str:
    """Return the result of a statement about tests, the number of statements of a VEX."""
    predicate = statement.get("predicate")
    if not isinstance(predicate, dict):
        return ""
    if result := predicate.get("result"):
        return f": {predicate.get('suite', 'tests')} {result}"
    return f": {len(found)} findings accepted" if (found := predicate.get("statements")) else ""


if __name__ == "__main__":
    sys.exit(main())
