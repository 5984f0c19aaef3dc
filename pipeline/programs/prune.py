"""Drop from an environment what no running service opens, and say what was saved.

Each rule is declared in prune_rules.py with its reason. RECORD files forget what is dropped, so that an
inventory of the image tells the truth. What the rules break is found by importing everything
(prove_imports.py) and by the closure over shared libraries (assemble_rootfs.py).
"""

import csv
import fnmatch
import json
import subprocess
from pathlib import Path
from typing import Any

from prune_rules import RULES, STRIP_GAIN, STRIP_SPARES, SYMBOLS, UNUSED, Rule
from rootfs_rules import RULES as ROOTFS_RULES

ELF_MAGIC = b"\x7fELF"
KEPT_ELSEWHERE = set(ROOTFS_RULES)
"""`keep` of a service names rules of the root filesystem too; they are not ours, but no mistake."""
Report = dict[str, dict[str, Any]]
"""Rule name -> reason, bytes saved, paths dropped."""


def prune(site: Path, keep: frozenset[str]) -> Report:
    """Delete what the rules name below site-packages.

    Args:
        site: the site-packages folder.
        keep: names of rules that are switched off.

    Returns:
        What each rule saved; only rules that found something.

    Raises:
        ValueError: keep names no rule.

    """
    names = {rule.name for rule in RULES} | {SYMBOLS, UNUSED} | KEPT_ELSEWHERE
    if unknown := keep - names:
        raise ValueError(f"keep names {sorted(unknown)}; expected some of {sorted(names)}")
    report: Report = {}
    paths = [path for path in sorted(site.rglob("*")) if path.is_file() or path.is_symlink()]
    for rule in (rule for rule in RULES if rule.name not in keep):
        matched = [path for path in paths if _matches(rule, path.relative_to(site).as_posix())]
        if matched:
            size = sum(path.lstat().st_size for path in matched)
            dropped = [path.relative_to(site).as_posix() for path in matched]
            report[rule.name] = {"reason": rule.reason, "bytes": size, "dropped": dropped}
        for path in matched:
            path.unlink()
        paths = [path for path in paths if path not in set(matched)]
    if UNUSED not in keep and (site / "nvidia").is_dir():
        report |= _drop_unused(site)
        paths = [path for path in paths if path.exists()]
    if SYMBOLS not in keep:
        saved = sum(_strip(path) for path in paths if _strippable(path, site))
        report[SYMBOLS] = {
            "reason": "names of local functions, read by debuggers",
            "bytes": saved,
            "dropped": [],
        }
    _forget(site, {name for entry in report.values() for name in entry["dropped"]})
    _remove_empty_folders(site)
    return report


def _drop_unused(site: Path) -> Report:
    """Drop linked and never called CUDA libraries; report them, or nothing."""
    from unused_libraries import drop_unused  # noqa: PLC0415 - reads ELF files: only where there are such

    unused = drop_unused(site)
    dropped = [path.relative_to(site).as_posix() for path, _ in unused]
    reason = "linked by a library that uses no symbol of it; the link goes too"
    entry = {"reason": reason, "bytes": sum(size for _, size in unused), "dropped": dropped}
    return {UNUSED: entry} if unused else {}


def prune_scripts(folder: Path, keep: set[str]) -> None:
    """Delete the start scripts of packages except the interpreter's and those named."""
    for script in folder.iterdir():
        if not script.name.startswith("python") and script.name not in keep:
            script.unlink()


def write_report(report: Report, path: Path) -> None:
    """Write the report as JSON and print one line per rule."""
    path.write_text(json.dumps(report, indent=1))
    for name, entry in report.items():
        print(f"pruned {entry['bytes'] / 1e6:7.2f} MB  {name}: {entry['reason']}")


def _matches(rule: Rule, path: str) -> bool:
    def any_of(patterns: tuple[str, ...]) -> bool:
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)

    return any_of(rule.patterns) and not any_of(rule.spares)


def _strippable(path: Path, site: Path) -> bool:
    name = path.relative_to(site).as_posix()
    spared = any(fnmatch.fnmatchcase(name, pattern) for pattern in STRIP_SPARES)
    return not spared and not path.is_symlink() and _head(path) == ELF_MAGIC


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(len(ELF_MAGIC))


def _strip(path: Path) -> int:
    """Strip symbols that the loader does not read; return the bytes saved."""
    stripped = path.with_name(f"{path.name}.stripped")
    subprocess.run(["strip", "--strip-unneeded", "-o", str(stripped), str(path)], check=True)
    saved = path.stat().st_size - stripped.stat().st_size
    if saved < STRIP_GAIN * path.stat().st_size:
        stripped.unlink()
        return 0
    stripped.chmod(path.stat().st_mode & 0o7777)
    stripped.replace(path)
    return saved


def _forget(site: Path, dropped: set[str]) -> None:
    for record in site.glob("*.dist-info/RECORD"):
        with record.open(newline="") as stream:
            rows = list(csv.reader(stream))
        kept = [row for row in rows if row and row[0] not in dropped]
        if len(kept) < len(rows):
            with record.open("w", newline="") as stream:
                csv.writer(stream, lineterminator="\n").writerows(kept)


def _remove_empty_folders(site: Path) -> None:
    for folder in sorted((path for path in site.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
