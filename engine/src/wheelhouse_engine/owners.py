"""Users and groups by the names a root filesystem gives them."""

import re
from pathlib import Path
from typing import Final

from wheelhouse_engine.inodes import Owner
from wheelhouse_engine.paths import resolve

_USER_FIELDS = 4
NUMBER: Final = re.compile(r"\d+", re.ASCII)
LARGEST: Final = 2**31 - 1
"""A greater number is read as a name. Source: `parseUID` of core/util.go."""


def parse_owner(text: str, root: Path, *, empty_is_root: bool = False) -> Owner:
    """Read "user[:group]" as the `owner` arguments of Dagger do.

    Numbers are taken as they are, names are looked up in `root`. Without a
    group the group number is the user's number, for a name too. An empty part
    is 0 for a Container (`empty_is_root`), and a name for a Directory. Source:
    `ownership` of core/container.go, `resolveDirectoryOwner`, v0.21.8.

    Raises:
        LookupError: no such name, or no file to look it up in.

    """
    user, colon, group = text.partition(":")
    if empty_is_root:
        user, group = user or "0", group or "0"
    uid = _number(user)
    if uid is None:
        uid = _field(root, "/etc/passwd", user, f"find uid: no such user: {user}")[0]
    if not colon:
        return uid, uid
    gid = _number(group)
    if gid is None:
        gid = _field(root, "/etc/group", group, f"find gid: no such group: {group}")[0]
    return uid, gid


def parse_user(text: str, root: Path) -> Owner:
    """Read the user an exec runs as ("user[:group]"), as runc does.

    Without a group: the primary group of the user in /etc/passwd, 0 if the
    number is not listed there.

    Raises:
        LookupError: no such name.

    """
    user, colon, group = text.partition(":")
    unknown = f"unable to find user {user}: no matching entries in passwd file"
    if user.isdecimal():
        uid, primary = int(user), _primary_group(root, user)
    else:
        uid, primary = _field(root, "/etc/passwd", user or "root", unknown, count=2)
    if not colon:
        return uid, primary
    if group.isdecimal():
        return uid, int(group)
    missing = f"unable to find group {group}: no matching entries in group file"
    return uid, _field(root, "/etc/group", group, missing)[0]


def _number(text: str) -> int | None:
    if text == "root":
        return 0
    number = int(text) if NUMBER.fullmatch(text) else None
    return number if number is not None and number <= LARGEST else None


def _lines(root: Path, path: str) -> list[list[str]]:
    text = resolve(root, path).read_text(encoding="utf-8", errors="surrogateescape")
    return [line.split(":") for line in text.splitlines()]


def _field(root: Path, path: str, name: str, missing: str, *, count: int = 1) -> list[int]:
    """Give the number fields of the line that begins with `name`."""
    try:
        rows = _lines(root, path)
    except FileNotFoundError as problem:
        raise LookupError(f"open {path}: no such file or directory") from problem
    for row in rows:
        if row[0] == name and len(row) >= 2 + count:
            return [int(number or 0) for number in row[2 : 2 + count]]
    raise LookupError(missing)


def _primary_group(root: Path, uid: str) -> int:
    try:
        rows = _lines(root, "/etc/passwd")
    except FileNotFoundError:
        return 0
    return next((int(row[3]) for row in rows if len(row) >= _USER_FIELDS and row[2] == uid), 0)
