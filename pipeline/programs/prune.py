"""Drop from an environment what no running service opens, and say what was saved.

Each rule is declared in prune_rules.py with its reason. What the rest of the environment needs of the
matched files stays (prune_needs.py); afterwards every module is imported, and a rule that broke one is
switched off for that distribution. RECORD files list what is there: dropped files are gone, stripped ones
have their new hash.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blame import Dropped
from prune_needs import Needs, entry_points
from prune_rules import OTHERS, RULES, SCRIPTS, STRIP_GAIN, STRIP_SPARES, SYMBOLS, UNUSED, Rule
from rootfs_rules import RULES as ROOTFS_RULES
from site_files import module_name, owners, rewrite_records
from strip_symbols import strip_libraries

ELF_MAGIC = b"\x7fELF"
KEPT_ELSEWHERE = set(ROOTFS_RULES)
"""`keep` of a service names rules of the root filesystem too; they are not ours, but no mistake."""
Report = dict[str, dict[str, Any]]
"""Rule -> reason, bytes saved, paths dropped; kept: what the rule matched and something needs."""
Importer = Callable[[list[str]], dict[str, str]]
"""Imports these modules, or all for an empty list; returns module -> "" or why it does not import."""


@dataclass
class Pruning:
    """One site-packages folder while the rules are applied."""

    site: Path
    aside: Path
    """Where dropped files wait until nothing misses them."""
    keep: frozenset[str]
    owners: dict[str, str]
    drop: frozenset[str] = frozenset()
    """Rules that apply even where something needs what they match."""
    dropped: dict[str, str] = field(default_factory=dict)
    """File -> the rule that dropped it."""
    kept: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Matched file that stays -> (rule, why)."""

    def apply(self) -> None:
        """Move what the rules match and nothing needs aside."""
        rules = [rule for rule in RULES if rule.name not in self.keep]
        matchers = [(rule, _matcher(rule.patterns)) for rule in rules]
        files = [path for path in sorted(self.site.rglob("*")) if path.is_file() or path.is_symlink()]
        matched: dict[str, Rule] = {}
        others = []
        for file in files:
            name = file.relative_to(self.site).as_posix()
            rule = next((rule for rule, match in matchers if match(name) and _contains(rule, file)), None)
            if rule:
                matched[name] = rule
            else:
                others.append(name)
        scripts = frozenset(script for rule in rules for script in rule.scripts)
        spared = Needs(self.site, matched, self.owners).find(others, scripts)
        spared = {path: why for path, why in spared.items() if matched[path].name not in self.drop}
        self.kept = {path: (matched[path].name, why) for path, why in spared.items()}
        self.dropped = {path: rule.name for path, rule in matched.items() if path not in spared}
        for path in self.dropped:
            _move(self.site / path, self.aside / path)
        _remove_empty_folders(self.site)  # Python imports them as packages

    def restore_broken(self, importer: Importer) -> None:
        """Switch a rule off for each distribution of which it took something that an import needs."""
        results = importer([])
        while broken := self._broken(results):
            for module, cause in broken.items():
                self._restore(cause, f"import {module} needs {cause}")
            results = importer(list(broken))

    def _broken(self, results: dict[str, str]) -> dict[str, str]:
        """Return module -> the dropped file that its import misses, unless the service asked for that."""
        index = Dropped(self.dropped)
        causes = {module: index.cause(error) for module, error in results.items() if error}
        asked = {module for module, cause in causes.items() if cause and self.dropped.get(cause) in self.drop}
        for module in sorted(asked):
            print(f"broken by drop: import {module}: {results[module]}")
        return {module: cause for module, cause in causes.items() if cause and module not in asked}

    def _restore(self, cause: str, why: str) -> None:
        rule, owner = self.dropped.get(cause), self.owners.get(cause, "")
        for path, other in list(self.dropped.items()):
            if other == rule and self.owners.get(path, "") == owner:
                _move(self.aside / path, self.site / path)
                self.kept[path] = (other, why)
                del self.dropped[path]

    def report(self) -> Report:
        """Return what each rule saved, and what it would have saved."""
        reasons = {rule.name: rule.reason for rule in RULES} | {
            name: why for name, (_, why) in OTHERS.items()
        }
        rules = [name for name in reasons if name in {*self.dropped.values(), *self._kept_by_rule()}]
        report = {}
        for rule in rules:
            paths = [path for path, name in self.dropped.items() if name == rule]
            size = sum((self.aside / path).lstat().st_size for path in paths)
            entry = {"reason": reasons[rule], "bytes": size, "dropped": paths}
            report[rule] = {**entry, "kept": self._kept_by_rule().get(rule, [])}
        return report

    def _kept_by_rule(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for path, (rule, why) in sorted(self.kept.items()):
            owner = self.owners.get(path, "")
            entry = found.setdefault(rule, {}).setdefault(
                owner, {"distribution": owner, "bytes": 0, "files": [], "why": why}
            )
            entry["bytes"] += (self.site / path).lstat().st_size
            entry["files"].append(path)
        return {rule: list(entries.values()) for rule, entries in found.items()}


def prune(
    venv: Path,
    site: Path,
    keep: frozenset[str],
    importer: Importer,
    drop: frozenset[str] = frozenset(),
) -> Report:
    """Delete what the rules name below site-packages and nothing needs.

    Args:
        venv: the environment.
        site: its site-packages folder.
        keep: names of rules that are switched off.
        importer: imports modules of the environment.
        drop: names of rules that apply even where a module needs what they match; what breaks is printed.

    Returns:
        What each rule saved; only rules that found something.

    Raises:
        ValueError: keep or drop names no rule.

    """
    names = {rule.name for rule in RULES} | {*OTHERS} | KEPT_ELSEWHERE
    if unknown := keep - names:
        raise ValueError(f"keep names {sorted(unknown)}; expected some of {sorted(names)}")
    if unknown := drop - {rule.name for rule in RULES}:
        expected = sorted(rule.name for rule in RULES)
        raise ValueError(f"drop names {sorted(unknown)}; expected some of {expected}")
    with tempfile.TemporaryDirectory(dir=venv) as aside:
        pruning = Pruning(site, Path(aside), keep, owners(site), drop)
        pruning.apply()
        pruning.restore_broken(importer)
        report = pruning.report()
    changed: list[Path] = []
    if UNUSED not in keep and (site / "nvidia").is_dir():
        report |= _drop_unused(site, changed)
    if SCRIPTS not in keep:
        report |= _drop_scripts(venv, site, set(pruning.dropped))
    if SYMBOLS not in keep:
        report |= _strip(venv, site, changed)
    gone = {name for entry in report.values() for name in entry["dropped"]}
    rewrite_records(site, gone, [path.relative_to(site).as_posix() for path in changed])
    _remove_empty_folders(site)
    return report


def _drop_unused(site: Path, changed: list[Path]) -> Report:
    """Drop linked and never called CUDA libraries; report them, or nothing."""
    from unused_libraries import drop_unused  # noqa: PLC0415 - reads ELF files: only where there are such

    unused, users = drop_unused(site)
    changed += users
    dropped = [path.relative_to(site).as_posix() for path, _ in unused]
    entry = {"reason": OTHERS[UNUSED][1], "bytes": sum(size for _, size in unused), "dropped": dropped}
    return {UNUSED: entry} if unused else {}


def _drop_scripts(venv: Path, site: Path, dropped: set[str]) -> Report:
    """Drop the console scripts whose module was dropped; report them, or nothing."""
    modules = {module_name(path) for path in dropped} - {""}
    scripts = [
        venv / "bin" / point.name
        for point in entry_points(site)
        if point.group in ("console_scripts", "gui_scripts") and point.module in modules
    ]
    found = [script for script in scripts if script.exists()]
    size = sum(script.stat().st_size for script in found)
    names = [os.path.relpath(script, site) for script in found]
    for script in found:
        script.unlink()
    return {SCRIPTS: {"reason": OTHERS[SCRIPTS][1], "bytes": size, "dropped": names}} if found else {}


def _strip(venv: Path, site: Path, changed: list[Path]) -> Report:
    spared = _matcher(STRIP_SPARES)
    paths = [path for path in sorted(site.rglob("*")) if path.is_file() and not path.is_symlink()]
    ours = [path for path in paths if not spared(path.relative_to(site).as_posix())]
    saved = strip_libraries(
        [path for path in ours if _head(path) == ELF_MAGIC], str(venv / "bin" / "python"), STRIP_GAIN
    )
    changed += saved
    return {SYMBOLS: {"reason": OTHERS[SYMBOLS][1], "bytes": sum(saved.values()), "dropped": []}}


def import_by(python: Path, program: Path, site: Path) -> Importer:
    """Return an importer that runs import_modules.py with an environment's interpreter."""

    def imported(names: list[str]) -> dict[str, str]:
        command = [
            str(python),
            str(program),
            "--site",
            str(site),
            *(word for name in names for word in ("--only", name)),
        ]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        found: dict[str, str] = json.loads(done.stdout)
        return found

    return imported


def write_report(report: Report, path: Path) -> None:
    """Write the report as JSON and print a line per rule, and per distribution that it spares."""
    path.write_text(json.dumps(report, indent=1))
    for name, entry in report.items():
        print(f"pruned {entry['bytes'] / 1e6:7.2f} MB  {name}: {entry['reason']}")
    for name, entry in report.items():
        for kept in entry.get("kept", ()):
            print(f"kept   {kept['bytes'] / 1e6:7.2f} MB  {name}, {kept['distribution']}: {kept['why']}")


def _matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a test of paths: `*` is part of one name, `**` any folders."""
    parts = {"**/": "(?:[^/]+/)*", "**": ".+", "*": "[^/]*"}
    texts = (
        "".join(parts.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*)", pattern))
        for pattern in patterns
    )
    compiled = re.compile("|".join(f"(?:{text})" for text in texts))
    return lambda path: compiled.fullmatch(path) is not None


def _contains(rule: Rule, path: Path) -> bool:
    return not rule.contains or bool(re.search(rule.contains, path.read_text(errors="replace")))


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(len(ELF_MAGIC))


def _remove_empty_folders(site: Path) -> None:
    for folder in sorted((path for path in site.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
