"""Owners are read as Dagger reads them."""

from pathlib import Path

import pytest

from wheelhouse_engine.files import write_file
from wheelhouse_engine.owners import parse_owner, parse_user


def test_owner_numbers_and_names(dest: Path) -> None:
    """Numbers stand for themselves, names are looked up; the group follows the user."""
    write_file(dest, "etc/passwd", b"root:x:0:0::/:/bin/sh\nweb:x:33:44::/:\nbad\n")
    write_file(dest, "etc/group", b"root:x:0:\nstaff:x:50:web\n")
    texts = ["1001", "1001:1002", "web", "web:staff", "root", "5:staff"]

    assert [parse_owner(text, dest) for text in texts] == [
        (1001, 1001),
        (1001, 1002),
        (33, 33),
        (33, 50),
        (0, 0),
        (5, 50),
    ]
    assert [parse_user(text, dest) for text in ["web", "33", "77", "web:staff"]] == [
        (33, 44),
        (33, 44),
        (77, 0),
        (33, 50),
    ]


def test_unknown_names_are_refused_in_daggers_words(dest: Path) -> None:
    """An unknown user, group or missing passwd file is told apart."""
    with pytest.raises(LookupError, match="open /etc/passwd: no such file or directory"):
        parse_owner("web", dest)
    write_file(dest, "etc/passwd", b"")
    write_file(dest, "etc/group", b"")
    with pytest.raises(LookupError, match="find uid: no such user: web"):
        parse_owner("web", dest)
    with pytest.raises(LookupError, match="find gid: no such group: web"):
        parse_owner("0:web", dest)
    with pytest.raises(LookupError, match="unable to find user web: no matching entries in passwd file"):
        parse_user("web", dest)
