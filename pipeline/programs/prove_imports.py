"""Import every top-level module of every installed distribution, in the image that will run it.

    prove_imports.py [--pruned FILE]

FILE is the report of prune.py: a module that a prune rule took away is reported with the rule's name.
Exit status 1 when a module cannot be imported; every one is listed.
"""

import argparse
import importlib
import importlib.metadata
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blame import Dropped

SUFFIXES = (".py", ".so")


def main() -> int:
    """Return 1 when an import failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pruned", type=Path)
    options = parser.parse_args()
    pruned: dict[str, Any] = json.loads(options.pruned.read_text()) if options.pruned else {}
    distributions = sorted(importlib.metadata.distributions(), key=lambda found: found.name)
    modules = [(found.name, module) for found in distributions for module in sorted(set(_top_level(found)))]
    failures = [
        f"{name}: import {module}: {failure}{_blame(failure, pruned)}"
        for name, module in modules
        if (failure := _import(module))
    ]
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


def _top_level(distribution: importlib.metadata.Distribution) -> Iterator[str]:
    """Yield the importable names that a distribution puts into site-packages."""
    for path in distribution.files or ():
        first = path.parts[0]
        if first.endswith((".dist-info", ".data", ".libs")) or first.startswith(("..", "_distutils_hack")):
            continue
        name = first.partition(".")[0]
        is_module = len(path.parts) == 1 and path.suffix in SUFFIXES
        is_package = len(path.parts) == 2 and path.name == "__init__.py"  # noqa: PLR2004
        if name.isidentifier() and (is_module or is_package):
            yield name


def _import(module: str) -> str:
    try:
        importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001 - whatever a module raises is what the service would see
        return f"{type(error).__name__}: {error}"
    return ""


def _blame(failure: str, pruned: dict[str, Any]) -> str:
    """Return which rule took away what the failure names, or ""."""
    dropped = Dropped({path: rule for rule, entry in pruned.items() for path in entry["dropped"]})
    if not (cause := dropped.cause(failure)):
        return ""
    rule = dropped.paths[cause]
    found = f"\n  {cause} was dropped by the prune rule {rule!r} ({pruned[rule]['reason']})"
    return f"{found}; expected nothing to need it. Add {rule!r} to the variant's `keep`."


if __name__ == "__main__":
    sys.exit(main())
