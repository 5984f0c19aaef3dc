"""Stage 2 of 8, as the service has it: its folder in, the pins of a variant out, whatever lock it keeps."""

import tomllib
from dataclasses import replace
from typing import Final

import dagger
from packaging.utils import canonicalize_name

from pipeline.build.lock import REFRESH, Lock
from pipeline.build.source import SourceFiles
from pipeline.config import VariantConfig
from pipeline.containers import Builder
from pipeline.errors import LockError

UNREAD: Final = ("poetry.lock", "pdm.lock", "Pipfile.lock", "requirements.txt", "conda-lock.yml")
"""Locks of other tools, named where there is no other."""


async def lock_of(
    builder: Builder,
    files: SourceFiles,
    name: str,
    declared: VariantConfig,
    packages: tuple[str, ...] = (),
) -> tuple[str, Lock]:
    """Return the first lock that the service has for a variant, and its path.

    Args:
        builder: runs uv, which alone reads its own lock.
        files: of the service's folder.
        name: of the variant.
        declared: what the service declares for it.
        packages: folders that enter the image; a member of a uv workspace needs no pin where its code is in
            one of them.

    Raises:
        LockError: there is none, or a line of it is not a pin with a hash.

    """
    path = f"requirements/{name}.txt"
    if (text := await files.text(path)) is not None:
        rest, own = await without_own_folders(files, text, packages)
        return path, replace(Lock.parse(rest, path=path), local=own)
    for pylock in (f"pylock.{name}.toml", "pylock.toml"):
        if (text := await files.text(pylock)) is not None:
            return pylock, Lock.parse_pylock(text, path=pylock)
    if (text := await files.text("uv.lock")) is not None:
        members = _members(text)
        exported = await _exported(builder, files.root, declared)
        local = {name for name, path in members.items() if _covered(path, packages)}
        folders = {members[name] for name in local}
        lines = (line for line in exported.splitlines() if _folder(line) not in folders)
        lock = Lock.parse("".join(f"{line}\n" for line in lines), path="uv.lock, exported")
        return "uv.lock", replace(lock, local=frozenset(local))
    others = [path for path in UNREAD if path in await files.entries()]
    found = f"no lock for variant {name!r}" + (f"; {others[0]} is not read" if others else "")
    raise LockError.of(found, expected=f"{path}, pylock.toml or uv.lock", do=REFRESH)


async def without_own_folders(
    files: SourceFiles, text: str, packages: tuple[str, ...]
) -> tuple[str, frozenset[str]]:
    """Return a lock without the projects whose code `packages` brings, and the names of these."""
    lines: list[str] = []
    names: set[str] = set()
    for line in text.splitlines():
        folder = _folder(line)
        own = await files.text(f"{folder}/pyproject.toml") if folder and _covered(folder, packages) else None
        if own is not None:
            names.add(canonicalize_name(str(tomllib.loads(own).get("project", {}).get("name", folder))))
        lines.append("" if own is not None else line)
    return "".join(f"{line}\n" for line in lines), frozenset(names)


def _members(uv_lock: str) -> dict[str, str]:
    """Return name -> folder of the projects of the source that a uv.lock has, the root left out.

    Raises:
        LockError: not TOML.

    """
    try:
        packages = tomllib.loads(uv_lock).get("package", [])
    except tomllib.TOMLDecodeError as error:
        raise LockError.of(f"uv.lock: {error}", expected="a TOML file", do="Run `uv lock`.") from error
    found: dict[str, str] = {}
    for package in packages:
        source = package.get("source", {})
        folder = next((source[kind] for kind in ("editable", "virtual", "directory") if kind in source), "")
        if folder not in ("", "."):
            found[package["name"]] = folder
    return found


def _covered(folder: str, packages: tuple[str, ...]) -> bool:
    return any(f"{package.removeprefix('./')}/".startswith(f"{folder}/") for package in packages)


def _folder(line: str) -> str:
    """Return the folder that a line of an export names; "" for any other line."""
    bare = line.partition(";")[0].strip().removeprefix("-e").strip()
    return bare.removeprefix("./").rstrip("/") if bare.startswith(".") else ""


async def _exported(builder: Builder, source: dagger.Directory, declared: VariantConfig) -> str:
    """Return the requirements that uv exports from its own lock, as text."""
    project = source.filter(include=["uv.lock", "**/pyproject.toml"])
    export = ["uv", "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-header"]
    export += [word for extra in declared.extras for word in ("--extra", extra)]
    return await (
        builder.tools().with_mounted_directory("/in", project).with_workdir("/in").with_exec(export).stdout()
    )
