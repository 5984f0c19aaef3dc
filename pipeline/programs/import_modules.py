"""Import every module of every distribution, in one process for each processor.

    import_modules.py [--site DIR] [--only NAME]…

Prints JSON, module -> "" or why it does not import. A module that ends its process, or that is silent for
SECONDS, counts as not importable; the next ones are tried in a new process.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import signal
import sys
import sysconfig
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from site_files import module_name, owners

SECONDS = 120.0
HUNG = f"still importing after {SECONDS:.0f} s"
ENDED = "ended the process"
NOBODY = 65534
"""User of the importing process where this one is root: a module that writes when it is imported must not."""
FORK = multiprocessing.get_context("fork")
STARTING = threading.Lock()
"""Held while a process starts: another one must not inherit its end of the pipe, or its end goes unseen."""
Results = dict[str, str]


def main() -> int:
    """Return 0: what does not import is the caller's to judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", type=Path, default=Path(sysconfig.get_path("purelib")))
    parser.add_argument("--only", action="append", default=[])
    options = parser.parse_args()
    groups, only = modules(options.site), set(options.only)
    results = import_groups([[name for name in group if name in only or not only] for group in groups])
    print(json.dumps(results, sort_keys=True))
    return 0


def modules(site: Path) -> list[list[str]]:
    """Return the modules below site-packages, those of one distribution together."""
    groups: dict[str, set[str]] = {}
    for path, owner in owners(site).items():
        name = module_name(path)
        if name and not name.endswith("__main__") and not path.startswith("..") and (site / path).exists():
            groups.setdefault(owner, set()).add(name)
    return [sorted(names) for _, names in sorted(groups.items())]


def import_groups(groups: list[list[str]]) -> Results:
    """Import groups of modules, dealt to as many processes as there are processors.

    What many distributions need is then loaded once for each processor, not once for each of them.
    """
    processors = os.cpu_count() or 1
    shares = [[name for group in groups[start::processors] for name in group] for start in range(processors)]
    with ThreadPoolExecutor(processors) as pool:
        return {name: error for found in pool.map(_import_share, shares) for name, error in found.items()}


def _import_share(names: list[str]) -> Results:
    """Import modules in one process, in a new one after each that ends or hangs it."""
    results: Results = {}
    while left := names[len(results) :]:
        with tempfile.TemporaryDirectory() as home:
            with STARTING:
                ours, theirs = FORK.Pipe(duplex=False)
                process = FORK.Process(target=_import_all, args=(left, theirs, home))
                process.start()
                theirs.close()
            for name in left:
                results[name] = _answer(ours)
                if results[name] in (HUNG, ENDED):
                    break
            _end(process)
    return results


def _answer(answers: Connection) -> str:
    if not answers.poll(SECONDS):
        return HUNG
    try:
        return str(answers.recv())
    except EOFError:
        return ENDED


def _end(process: "multiprocessing.process.BaseProcess") -> None:
    """End an importing process with what it started: it leads a process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.kill()
    process.join()


def _import_all(names: list[str], answers: Connection, home: str) -> None:
    os.setpgid(0, 0)
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(silent, descriptor)
    if os.getuid() == 0:
        os.chown(home, NOBODY, NOBODY)
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    os.environ["HOME"] = home
    os.chdir(home)
    sys.dont_write_bytecode = True
    sys.argv = ["import"]
    for name in names:
        answers.send(_import(name))
    os._exit(0)


def _import(name: str) -> str:
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 - whatever a module raises is what the service would see
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
