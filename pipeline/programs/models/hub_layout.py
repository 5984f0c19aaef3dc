"""Lay a model out as the hub's own cache, for services that load it by name offline."""

import shutil
from pathlib import Path, PurePosixPath
from typing import Any, Final

from models.atomic_copy import sha256_of
from models.checkpoint import read_json
from models.errors import ModelError
from models.recipes import PROVENANCE

BRANCH: Final = "main"  # what a service asks for when it names no revision


def lay_out(directory: Path, stage: Path) -> None:
    """Fill `stage` so that it can be HF_HUB_CACHE of a service without network.

    `models--owner--name/` gets blobs/ with each file under its sha256, snapshots/<commit>/ with relative
    links to them, and refs/main.

    Raises:
        ModelError: no hf:// source names the repository and commit.

    """
    record = read_json(directory / PROVENANCE)
    repository, commit = _identity(record)
    root = stage / f"models--{repository.replace('/', '--')}"
    for folder in ("blobs", "refs", f"snapshots/{commit}"):
        (root / folder).mkdir(parents=True)
    (root / "refs" / BRANCH).write_text(commit, encoding="utf-8")
    for path in sorted(str(file["path"]) for file in record["files"]):
        blob = root / "blobs" / sha256_of(directory / path)
        shutil.copyfile(directory / path, blob)
        link = root / "snapshots" / commit / path
        link.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * (len(PurePosixPath(path).parts) + 1)
        link.symlink_to(f"{up}blobs/{blob.name}")


def _identity(record: dict[str, Any]) -> tuple[str, str]:
    for source in record.get("sources", []):
        kind, _, rest = str(source).partition("://")
        repository, _, commit = rest.partition("@")
        if kind == "hf":
            return repository, commit
    raise ModelError(
        f'model {record.get("name")}: export = "hub" found no hf:// source, expected one that names the '
        "repository and commit. Declare it as source; the bytes may still come from a mirror."
    )
