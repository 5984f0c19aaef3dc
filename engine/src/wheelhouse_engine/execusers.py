"""Know the user a process runs as: numbers, groups and home, as the container's own files have them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wheelhouse_engine.errors import ExecError
from wheelhouse_engine.owners import parse_user
from wheelhouse_engine.paths import resolve


def user_of(user: str, args: Sequence[str], root: Path) -> dict[str, Any]:
    """Return the numeric user, its groups and its home; raises ExecError for an unknown name."""
    text = user or "0"
    try:
        uid, gid = parse_user(text, root)
    except LookupError as error:
        raise ExecError(args, -1, "", "", f"get user: {error.args[0]}") from error
    groups = _extra_groups(root, uid) if ":" not in text else []
    return {"ids": {"uid": uid, "gid": gid, "additionalGids": groups}, "home": _home(root, uid)}


def _passwd(root: Path) -> list[list[str]]:
    try:
        lines = resolve(root, "/etc/passwd").read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.split(":") for line in lines if line.count(":") >= 6]  # noqa: PLR2004 - passwd(5) has 7 fields


def _home(root: Path, uid: int) -> str:
    return next((row[5] for row in _passwd(root) if row[2] == str(uid)), "/")


def _extra_groups(root: Path, uid: int) -> list[int]:
    name = next((row[0] for row in _passwd(root) if row[2] == str(uid)), None)
    try:
        lines = resolve(root, "/etc/group").read_text(errors="replace").splitlines()
    except OSError:
        return []
    rows = [line.split(":") for line in lines if line.count(":") == 3]  # noqa: PLR2004 - group(5) has 4 fields
    return [int(row[2]) for row in rows if name and name in row[3].split(",")]
