"""Measure pruning on the packages that services use most: `make corpus`, `python -m tests.corpus GROUP`.

For each group of packages: install the newest wheels, prune them as an image's, assemble the runtime root,
import every module and make each package's smallest call in it, read-only, as the user of an image and
without network. What fails there is tried unpruned: what works unpruned and not pruned is a failure.
Results are kept below --folder; a group that has its result is not measured again, unless it is named.
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from site_files import module_name, owners

from tests.corpus.groups import Group, listed
from tests.corpus.roots import Bases, require_root


def main() -> int:
    """Return 1 when pruning breaks a package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("group", nargs="*", help="default: every group without result")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/wheelhouse-corpus"))
    parser.add_argument("--keep-wheels", action="store_true", help="leave downloads for the next run")
    options = parser.parse_args()
    require_root()
    bases = Bases(options.folder / "bases")
    bases.make()
    results = options.folder / "results"
    results.mkdir(exist_ok=True)
    for name, calls in listed().items():
        result = results / f"{name}.json"
        if name in options.group or (not options.group and not result.exists()):
            group = Group(name, calls, bases, options.folder / name)
            result.write_text(json.dumps(measure(group), indent=1))
            shutil.rmtree(group.folder / "venv", ignore_errors=True)
            shutil.rmtree(group.folder / "whole", ignore_errors=True)
            if not options.keep_wheels:
                shutil.rmtree(group.folder)
    return report([json.loads(path.read_text()) for path in sorted(results.glob("*.json"))])


def measure(group: Group) -> dict[str, Any]:
    """Return what works unpruned, what does not work pruned, and what pruning saved."""
    group.download()
    refused = group.check()
    group.install()
    before = size(group.venv)
    said = group.prune()
    root = group.assemble()
    imported, called = group.imports(root), group.called(root)
    tried = tuple(name for name, error in imported.items() if error)
    # In one process modules can disturb each other: both environments import the same ones, in one order.
    again = group.imports(root, tried) if tried else {}
    whole = group.imports(group.unpruned, tried) if tried else {}
    broken = [name for name in tried if again.get(name) and not whole.get(name, "?")]
    failed_calls = [name for name, error in called.items() if error]
    unpruned_calls = group.called(group.unpruned, failed_calls)
    site = next((group.venv / "lib").glob("python*/site-packages"))
    of = {module_name(path): normal(owner.partition(" ")[0]) for path, owner in owners(site).items()}
    return {
        "group": group.name,
        "packages": sorted(group.calls),
        "refused": refused.splitlines(),
        "modules": len(imported),
        "broken modules": {name: [of[name], again[name]] for name in broken},
        "broken calls": {name: called[name] for name in failed_calls if not unpruned_calls[name]},
        "not working unpruned": {name: error for name, error in unpruned_calls.items() if error},
        "bytes": [before, size(group.venv)],
        "pruning": said.splitlines(),
    }


def normal(name: str) -> str:
    """Return a distribution's name as the lists have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def size(folder: Path) -> int:
    """Return the bytes of all files below a folder, bytecode left out."""
    files = (path for path in folder.rglob("*") if path.suffix != ".pyc")
    return sum(path.lstat().st_size for path in files if path.is_file() or path.is_symlink())


def report(results: list[dict[str, Any]]) -> int:
    """Print N of M and each failure; return 1 when there is one."""
    good, total, failed = 0, 0, False
    for result in results:
        before, after = result["bytes"]
        print(f"{result['group']}: {result['modules']} modules, {before / 1e6:.0f} -> {after / 1e6:.0f} MB")
        working = set(result["packages"]) - set(result["not working unpruned"])
        bad = working & set(result["broken calls"])
        for name, error in result["broken calls"].items():
            print(f"  {name}: its call works unpruned, not pruned: {error}")
        for module, (owner, error) in result["broken modules"].items():
            print(f"  {owner}: import {module} works unpruned, not pruned: {error}")
            bad |= {owner}
        for line in result["refused"]:
            print(f"  {line}")
        for name, error in result["not working unpruned"].items():
            print(f"  {name}: its call does not work unpruned: {error}")
        good, total = good + len(working - bad), total + len(working)
        failed |= bool(bad or result["refused"])
    print(f"{good} of {total} packages that work unpruned work pruned")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
