"""Write docs/pruning.md: every prune rule with what it drops and why, read off the rules themselves.

`python docs/pruning.py` writes it again; a test compares.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """# What an image leaves out

Written by `python docs/pruning.py`; a test compares. Each rule has a name. It is named in the build's log
with the megabytes that it saved, in every error that it causes, and in `keep`, which switches it off:

    [tool.wheelhouse.variants.cpu]
    keep = ["symbols", "type-stubs"]

## Rules for installed wheels

Paths are below site-packages; `*` stays in one folder, `**` crosses folders. What the rest of the
environment needs stays, and the log says so (`kept 0.15 MB  tests, numpy 2.5.5: … imports it`): modules that
kept code imports, also inside functions and through strings, modules that an entry point names, stubs that
lazy_loader reads, sources and data that the code of the same distribution names. Afterwards every module of
every wheel is imported; a rule that broke an import is switched off for that distribution. A service that
never loads such a module asks for the rule with `drop = ["numpy-f2py"]`; what breaks is in the log. Stripped
libraries are loaded one by one, or stay as they are. RECORD lists the files that are there, with size and
hash.
"""
ROOT_HEAD = """
## Rules for the interpreter and Debian packages

Patterns are regular expressions of absolute paths, those of `os-graphics` of names of packages.
`os-programs`, `os-tools` and `os-gconv` spare the packages that `os_packages` declares and what those depend
on. A module of the standard library that a wheel imports, or that the rest of the standard library imports,
stays.
"""

MEASURED = """
## What it saves

Measured on 2026-11-29 (x86-64, Python 3.13; raw MB, the bytecode of dropped modules not counted):

| Service | Image | Without the rules for wheels | Saved |
|---|---|---|---|
| reference service, `cpu` | 169.8 | 219.3 | 49.5 |
| scikit-learn, joblib | 228.2 | 275.7 | 47.5 |
| OpenCV, scikit-image, matplotlib | 457.2 | 532.8 | 75.6 |
| Chroma, LangChain | 441.6 | 552.2 | 110.6 |

The rules for the interpreter and Debian packages save another 91 MB in the reference image: of the 131.8 MB
of `python:3.13-slim` (the stand-in made from Debian packages) 40.5 remain.

`make corpus` prunes the packages that services use most, imports every module and calls each package:

| Group | Work pruned, of those that work unpruned | Modules imported | MB of wheels, before and after |
|---|---|---|---|
| clients | 17 of 17 | 15,746 | 384, 345 |
| stores | 23 of 23 | 8,326 | 1,094, 876 |
| numeric | 17 of 17 | 5,482 | 935, 692 |

Four of them (azure-storage-blob, celery, duckdb, weaviate-client) were measured again in a group of their
own, after their calls or the comparison had been corrected.
"""


def page() -> str:
    """Return the page: one table per kind of rule."""
    sys.path.insert(0, str(ROOT / "pipeline" / "programs"))
    from prune_rules import OTHERS, RULES  # noqa: PLC0415 - importable from here on
    from rootfs_rules import DRIVERS, GRAPHICS  # noqa: PLC0415
    from rootfs_rules import RULES as ROOTFS_RULES  # noqa: PLC0415

    wheels = [
        _row(rule.name, (*rule.patterns, *(f"bin/{name}" for name in rule.scripts)), rule.reason)
        for rule in RULES
    ]
    others = [_row(name, (looked_at,), reason) for name, (looked_at, reason) in OTHERS.items()]
    packages = {GRAPHICS: (DRIVERS.pattern,)}
    roots = [
        _row(name, patterns or packages.get(name, ()), reason)
        for name, (patterns, reason) in ROOTFS_RULES.items()
    ]
    table = ["", "| Rule | Drops | Because |", "|---|---|---|"]
    return "\n".join([HEAD.rstrip(), *table, *wheels, *others, ROOT_HEAD.rstrip(), *table, *roots, MEASURED])


def _row(name: str, patterns: tuple[str, ...], reason: str) -> str:
    shown = " ".join(f"`{pattern}`".replace("|", "\\|") for pattern in patterns) or "all but bytecode"
    return f"| `{name}` | {shown} | {reason} |"


if __name__ == "__main__":
    (ROOT / "docs" / "pruning.md").write_text(page())
