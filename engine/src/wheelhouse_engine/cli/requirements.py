"""Install what a module declares and this Python does not have, in an environment of the module's own."""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from wheelhouse_engine.cli.environment import ModuleConfig
from wheelhouse_engine.cli.failures import ModuleLoadError
from wheelhouse_engine.store import Store

OWN: Final = frozenset({"dagger-io"})
"""The client is the one of this program: it speaks to this engine."""
PREFIX: Final = "env-"
"""Begins the names of environments among the store's modules, with which they are pruned."""
SKIPPED: Final = frozenset({"__pycache__", "node_modules"})
"""Folders whose files are no project's own."""
QUOTED_LINES: Final = 5


def environment_of(config: ModuleConfig, environ: Mapping[str, str]) -> Path | None:
    """Return the folder of packages that the module needs next to this Python's; None where it needs none.

    Raises:
        ModuleLoadError: a requirement is malformed or cannot be installed; says what the installer said.

    """
    missing = unmet(declared(config))
    if not missing:
        return None
    store = Store.open(environ)
    version = f"{sys.implementation.cache_tag} {sys.platform}"
    changing = [str(stamp(one)) for text in missing if (one := _folder(text))]
    digest = hashlib.sha256("\n".join([version, *sorted(missing), *changing]).encode()).hexdigest()
    place = store.modules / f"{PREFIX}{digest[:24]}"
    store.used(place.name)
    if not place.is_dir():
        with store.exclusive(place.name):
            if not place.is_dir():
                _install(config, missing, place, environ)
    return place


def declared(config: ModuleConfig) -> list[str]:
    """Return the requirements in a module's pyproject.toml, those with a source of uv's at that place."""
    path = config.source / "pyproject.toml"
    if not path.is_file():
        return []
    try:
        found = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ModuleLoadError(f"{path}: {error}") from error
    sources = found.get("tool", {}).get("uv", {}).get("sources", {})
    texts = [str(one) for one in found.get("project", {}).get("dependencies", [])]
    return [_placed(text, sources, config.source) for text in texts]


def _placed(text: str, sources: Mapping[str, Any], folder: Path) -> str:
    """Return a requirement with the place that `[tool.uv.sources]` gives it, as PEP 508 writes one."""
    name = re.split(r"[\s\[<>=!~;@(]", text.strip(), maxsplit=1)[0]
    source = sources.get(name, {})
    if not isinstance(source, Mapping) or name in OWN:
        return text
    if path := source.get("path"):
        return f"{name} @ {(folder / path).resolve().as_uri()}"
    if url := source.get("git"):
        ref = source.get("rev") or source.get("tag") or source.get("branch")
        inner = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
        return f"{name} @ git+{url}{f'@{ref}' if ref else ''}{inner}"
    return f"{name} @ {source['url']}" if "url" in source else text


def _folder(text: str) -> Path | None:
    """Return the folder of this machine that a requirement names."""
    _, found, path = text.partition(" @ file://")
    return Path(unquote(path)) if found and Path(unquote(path)).is_dir() else None


def stamp(folder: Path) -> list[tuple[str, int, int]]:
    """Return what changes when a file of a project does."""
    found = []
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if one not in SKIPPED and not one.startswith("."))
        for path in (Path(base, name) for name in sorted(files)):
            stat = path.lstat()
            found.append((str(path), stat.st_size, stat.st_mtime_ns))
    return found


def unmet(requirements: Iterable[str]) -> list[str]:
    """Return the requirements that this Python's packages do not meet.

    Raises:
        ModuleLoadError: one is not a valid requirement specifier.

    """
    texts = list(requirements)
    if not texts:
        return []
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - only with requirements
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - see above

    missing = []
    for text in texts:
        try:
            one = Requirement(text)
        except InvalidRequirement as error:
            raise ModuleLoadError(
                f"{text!r} is not a valid requirement specifier (PEP 508): {error}"
            ) from error
        applies = one.marker is None or one.marker.evaluate()
        is_met = one.url is None and _is_met(one.name, one.specifier)
        if applies and canonicalize_name(one.name) not in OWN and not is_met:
            missing.append(text)
    return missing


def _is_met(name: str, specifier: object) -> bool:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return bool(specifier.contains(version, prereleases=True))  # type: ignore[attr-defined]


def _install(config: ModuleConfig, missing: Sequence[str], place: Path, environ: Mapping[str, str]) -> None:
    """Install next to the place and rename: what was interrupted is never taken for an environment.

    Packages that this Python has keep their versions where the module allows it: they may be loaded already.
    """
    sys.stderr.write(f"installing what {config.name} needs: {', '.join(missing)}\n")
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".install-") as folder:
        wanted = [_copied(one, Path(folder)) for one in missing]
        pins = Path(folder, "pins.txt")
        pins.write_text("\n".join(_installed()))
        made = Path(folder, "made")
        first = _run([*_installer(), "--target", str(made), "--constraint", str(pins), *wanted], environ)
        if first.returncode:
            shutil.rmtree(made, ignore_errors=True)
            done = _run([*_installer(), "--target", str(made), *wanted], environ)
            if done.returncode:
                said = "\n".join(done.stderr.strip().splitlines()[-QUOTED_LINES:])
                raise ModuleLoadError(f"{', '.join(missing)} cannot be installed for {config.name}: {said}")
        made.rename(place)


def _copied(text: str, scratch: Path) -> str:
    """Return a requirement of a copy: some build backends write into the folder that they build."""
    source = _folder(text)
    if source is None:
        return text
    name = text.partition(" @ ")[0]
    copy = scratch / "sources" / name
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".git", ".venv", *SKIPPED))
    return f"{name} @ {copy.as_uri()}"


def _installed() -> list[str]:
    found = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
    return sorted(f"{name}=={version}" for name, version in found.items() if name and "+" not in version)


def _installer() -> list[str]:
    """Return the words that install packages: uv where there is one, else this Python's pip."""
    near = Path(sys.executable).with_name("uv")
    found = str(near) if near.exists() else shutil.which("uv")
    if found:
        return [found, "pip", "install", "--quiet", "--python", sys.executable, "--no-config"]
    return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _run(words: Sequence[str], environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    # uv comes with certificates of its own; the system's also know the proxy of a company.
    env = {**os.environ, **environ, "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    return subprocess.run(
        words, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
