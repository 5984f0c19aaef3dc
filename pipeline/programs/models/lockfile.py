"""models.lock: which bytes a model is, and where they may come from."""

import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.errors import ModelError

VERSION: Final = 1
HEADER: Final = (
    "# Written by `wheelhouse call lock` (or `dagger call lock`); not to be edited.\n"
    "# A file is taken from the first source whose bytes have this sha256 and size.\n"
)
SHA256: Final = re.compile(r"[0-9a-f]{64}")
BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
REFRESH: Final = "Run `wheelhouse call lock` (or `dagger call lock`) and commit what it changes."


@dataclass(frozen=True, slots=True)
class LockedFile:
    """One file of a model."""

    path: str
    """Path inside the model, with forward slashes."""
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LockedModel:
    """One model as models.lock pins it."""

    name: str
    sources: tuple[str, ...]
    """Places of the same bytes, in the order they are tried."""
    served_by: str
    """The source that answered when the lock was written."""
    revision: str
    """Commit, version or digest at the first source that names one; "" when none does."""
    licence: str
    exports: tuple[str, ...]
    """Runtime formats that the service's variants ask for."""
    exporter: str
    """Version of the export recipes."""
    files: tuple[LockedFile, ...]

    @property
    def size_bytes(self) -> int:
        """Return the size of all files together."""
        return sum(file.size_bytes for file in self.files)


def dump_lock(models: Iterable[LockedModel]) -> str:
    """Write models.lock; the same models give the same text."""
    blocks = [f"{HEADER}version = {VERSION}\n"]
    for model in sorted(models, key=lambda m: m.name):
        lines = [
            f"[models.{_key(model.name)}]",
            f"sources = {_strings(model.sources)}",
            f"served_by = {json.dumps(model.served_by)}",
            f"revision = {json.dumps(model.revision)}",
            f"licence = {json.dumps(model.licence)}",
            f"exports = {_strings(model.exports)}",
            f"exporter = {json.dumps(model.exporter)}",
            f"size_bytes = {model.size_bytes}",
        ]
        for file in sorted(model.files, key=lambda f: f.path):
            lines += [
                "",
                f"[[models.{_key(model.name)}.files]]",
                f"path = {json.dumps(file.path)}",
                f"sha256 = {json.dumps(file.sha256)}",
                f"size_bytes = {file.size_bytes}",
            ]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def load_lock(path: Path) -> dict[str, LockedModel]:
    """Read models.lock.

    Raises:
        ModelError: the file is missing, is not TOML, or an entry lacks a value or holds a wrong one.

    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path.name}: {error.strerror}. {REFRESH}") from error
    except ValueError as error:
        raise ModelError(f"{path.name} is not TOML: {error}. {REFRESH}") from error
    if tables.get("version") != VERSION:
        raise ModelError(f"{path.name}: version {tables.get('version')!r}, expected {VERSION}. {REFRESH}")
    return {name: _model(path.name, name, table) for name, table in tables.get("models", {}).items()}


def _model(lock: str, name: str, table: dict[str, Any]) -> LockedModel:
    try:
        files = tuple(_file(entry) for entry in table["files"])
        model = LockedModel(
            name=name,
            sources=tuple(map(str, table["sources"])),
            served_by=str(table["served_by"]),
            revision=str(table["revision"]),
            licence=str(table["licence"]),
            exports=tuple(map(str, table["exports"])),
            exporter=str(table["exporter"]),
            files=files,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{lock}: models.{name}: missing or wrong value: {error}. {REFRESH}") from error
    for file in files:
        if not SHA256.fullmatch(file.sha256):
            raise ModelError(
                f"{lock}: models.{name}: {file.path}: sha256 is {file.sha256!r}, expected 64 hex digits"
            )
        if not is_inside(file.path):
            raise ModelError(f"{lock}: models.{name}: {file.path!r}, expected a path inside the model")
    return model


def _file(entry: dict[str, Any]) -> LockedFile:
    return LockedFile(str(entry["path"]), str(entry["sha256"]), int(entry["size_bytes"]))


def is_inside(path: str) -> bool:
    """Tell whether a relative path stays inside its directory on every system."""
    parts = path.split("/")
    plain = "\\" not in path and "\0" not in path
    return plain and not any(part in ("", ".", "..") for part in parts)


def _key(name: str) -> str:
    return name if BARE_KEY.fullmatch(name) else json.dumps(name)


def _strings(values: Iterable[str]) -> str:
    return "[" + ", ".join(json.dumps(value) for value in values) + "]"
