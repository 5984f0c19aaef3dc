"""Find which modules of the standard library stay although a rule drops them: something imports them.

Counted are imports that run when a kept module of the standard library is imported, and all imports of the
installed wheels; not counted is what a `try` catches, because the code then has another way.
"""

import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

from imports import Import, read_source
from site_files import module_name

OTHERS = ("lib-dynload", "site-packages", "dist-packages", "test", "idlelib", "lib2to3")
"""Folders of the standard library whose modules nothing else in it imports, or that are not part of it."""


def needed_modules(site: Path | None, dropped: Callable[[Path], bool]) -> dict[Path, str]:
    """Return the files of the modules that stay, each with the reason.

    Args:
        site: installed wheels; None: what the standard library itself imports.
        dropped: whether a rule leaves a path out.

    """
    stdlib = dict(_modules())
    gone = {name: path for name, path in stdlib.items() if dropped(path)}
    tops = {name.partition(".")[0] for name in gone}
    found: dict[Path, str] = {}
    # Programs such as `python -m asyncio` are not modules that a service imports.
    kept = [(name, path) for name, path in stdlib.items() if name not in gone and path.stem != "__main__"]
    queue = [(name, path, False) for name, path in kept if path.suffix == ".py"]
    if site:
        queue += [(module_name(str(path.relative_to(site))), path, True) for path in site.rglob("*.py")]
    while queue:
        module, path, lazily = queue.pop()
        for imported in _imports(module, path, tops):
            if imported.guarded or (imported.lazy and not lazily):
                continue
            for name in _with_packages(imported.name):
                if name in gone and gone[name] not in found and (not lazily or _imports_here(name)):
                    found[gone[name]] = f"{path} imports {name}"
                    queue += [(name, gone[name], False)] if gone[name].suffix == ".py" else []
    return found


def _imports(module: str, path: Path, tops: set[str]) -> frozenset[Import]:
    """Return what a source imports; nothing where it cannot import one of these packages."""
    source = path.read_bytes()
    inside = module.partition(".")[0] in tops
    if not inside and not any(top.encode() in source for top in tops):
        return frozenset()
    return read_source(source, module or path.stem, package=path.name == "__init__.py").imports


def _modules() -> Iterator[tuple[str, Path]]:
    """Yield name and file of every module of the standard library, its own tests left out."""
    for key in ("stdlib", "platstdlib"):
        root = Path(sysconfig.get_path(key)).resolve()
        for folder in (root, root / "lib-dynload"):
            tops = (
                sorted(top for top in folder.iterdir() if top.name not in OTHERS) if folder.is_dir() else []
            )
            files = [path for top in tops for path in ([top] if top.is_file() else sorted(top.rglob("*")))]
            for path in files:
                if name := module_name(path.relative_to(folder).as_posix()):
                    yield name, path


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _imports_here(name: str) -> bool:
    """Return whether the module can be imported where nothing is dropped: tkinter often cannot."""
    done = subprocess.run([sys.executable, "-c", f"import {name}"], check=False, capture_output=True)
    return done.returncode == 0
