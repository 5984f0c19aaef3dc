"""Keep the caller's environment away from module code, and find the module."""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wheelhouse_engine.cli.failures import ModuleLoadError
from wheelhouse_engine.cli.names import near_miss, pascal
from wheelhouse_engine.cli.remote import REMOTE, local_copy
from wheelhouse_engine.paths import context_root

ALLOWED: Final = (
    *("HOME", "LANG", "PATH", "TMPDIR", "TZ", "USER"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""Variables of the caller that a module may see, and the tools that the engine starts with it."""
ALLOWED_PREFIXES: Final = ("LC_", "XDG_", "SSL_CERT_", "DAGGER_SESSION_")


@dataclass(frozen=True, slots=True)
class Declared:
    """A module that dagger.json declares as a dependency."""

    name: str
    source: str
    """Folder seen from dagger.json, or an address of git."""
    pin: str = ""
    """Commit of an address of git."""


@dataclass(frozen=True, slots=True)
class ModuleConfig:
    """Say what dagger.json and pyproject.toml tell about a module."""

    name: str
    root: Path
    """Folder of dagger.json."""
    source: Path
    """Folder of the Python project."""
    package: str
    """Import name of the file with the main object."""
    class_name: str
    dependencies: tuple[Declared, ...] = ()
    """Modules that it may call."""


def module_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the part of the environment that a module may see, with telemetry off."""
    kept = {k: v for k, v in environ.items() if k in ALLOWED or k.startswith(ALLOWED_PREFIXES)}
    return kept | {"OTEL_SDK_DISABLED": "true"}


def enter_module_environment(environ: Mapping[str, str]) -> None:
    """Make `environ` this process's whole environment."""
    os.environ.clear()
    os.environ.update(environ)


def find_module(reference: str | None, workdir: Path) -> ModuleConfig:
    """Find the module that `-m` names, or the nearest dagger.json upwards.

    Raises:
        ModuleLoadError: there is none, git cannot fetch it, it is not written in Python, or a file cannot
            be read.

    """
    if reference and REMOTE.match(reference):
        return read_config(_module_root(str(local_copy(reference, workdir)), workdir))
    return read_config(_module_root(reference, workdir))


def read_config(root: Path) -> ModuleConfig:
    """Read dagger.json in `root` and the pyproject.toml beside the source; raises ModuleLoadError."""
    config = _read_json(root / "dagger.json")
    name = config.get("name")
    if not isinstance(name, str) or not name:
        raise ModuleLoadError(f'{root / "dagger.json"} has no name. Add "name": "my-module".')
    sdk = config.get("sdk")
    language = sdk.get("source", "") if isinstance(sdk, dict) else sdk or ""
    if language.partition("@")[0] != "python":
        raise ModuleLoadError(
            f"module {name} is written for the SDK {language or 'none'!r}, expected 'python'. "
            "Use a Dagger engine for it."
        )
    source = (root / config.get("source", ".")).resolve()
    package, class_name = _entry_point(source, name)
    declared = tuple(
        Declared(str(one["name"]), str(one.get("source", "")), str(one.get("pin", "")))
        for one in config.get("dependencies") or []
        if isinstance(one, dict) and one.get("name")
    )
    return ModuleConfig(name, root, source, package, class_name, declared)


def default_path(module: ModuleConfig, path: str) -> Path:
    """Resolve a DefaultPath: absolute from the git repository, relative from dagger.json.

    Raises:
        ModuleLoadError: the path leads out of the repository.

    """
    context = context_root(module.root)
    resolved = (context / path.lstrip("/") if path.startswith("/") else module.root / path).resolve()
    if not resolved.is_relative_to(context.resolve()):
        raise ModuleLoadError(
            f"default path {path} leads to {resolved}, outside {context}. Pass the argument explicitly."
        )
    return resolved


def _module_root(reference: str | None, workdir: Path) -> Path:
    if reference:
        root = (workdir / Path(reference).expanduser()).resolve()
        if not (root / "dagger.json").is_file():
            raise ModuleLoadError(f"{root} has no dagger.json. Pass -m FOLDER of a module.")
        return root
    start = workdir.resolve()
    for folder in (start, *start.parents):
        if (folder / "dagger.json").is_file():
            return folder
    raise ModuleLoadError(
        f"no dagger.json in {start} or above it. Change to a module's folder or pass -m FOLDER."
    )


def _entry_point(source: Path, name: str) -> tuple[str, str]:
    """Find the import name and class: the entry point, the project's package, else `main`."""
    project: dict[str, Any] = {}
    if (path := source / "pyproject.toml").is_file():
        try:
            project = tomllib.loads(path.read_text()).get("project", {})
        except tomllib.TOMLDecodeError as error:
            raise ModuleLoadError(f"{path}: {error}") from error
    entry = project.get("entry-points", {}).get("dagger.mod", {}).get("main_object", "")
    if entry:
        package, _, class_name = entry.partition(":")
        return package.strip(), class_name.strip() or pascal(name)
    package = str(project.get("name", name)).replace("-", "_").replace(".", "_").lower()
    found = next((p for p in (package, "main") if _importable(source, p)), "")
    if not found:
        raise ModuleLoadError(
            f"{source} has neither the package {package!r} nor main.py. Name the main object in "
            f'pyproject.toml: [project.entry-points."dagger.mod"] main_object = "{package}:{pascal(name)}".'
        )
    return found, pascal(name)


def _importable(source: Path, package: str) -> bool:
    folders = (source, source / "src")
    return any((one / package).is_dir() or (one / f"{package}.py").is_file() for one in folders)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModuleLoadError(f"{path}: {error}") from error
    if not isinstance(data, dict):
        raise ModuleLoadError(f"{path} holds {type(data).__name__}, expected an object.")
    return data


def wrong_class(config: ModuleConfig, names: list[str]) -> ModuleLoadError:
    """Say that the main object's class is not there, with what is."""
    meant = near_miss(config.class_name, names)
    hint = f", did you mean {meant}?" if meant else ""
    found = ", ".join(sorted(names)) or "none"
    return ModuleLoadError(
        f"{config.package} has no class {config.class_name} decorated with object_type "
        f"(found: {found}){hint} "
        f"The class is the module name {config.name!r} in PascalCase."
    )
