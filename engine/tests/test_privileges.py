"""Who runs the engine, and what becomes of a user without root."""

import os
import sys
from collections.abc import Mapping

import pytest

from wheelhouse_engine import privileges


class BecameError(Exception):
    """Stand in for a process that was replaced."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record what the process would become, as a user without root."""
    words: list[list[str]] = []

    def execvpe(_file: str, given: list[str], _environ: Mapping[str, str]) -> None:
        words.append(given)
        raise BecameError

    monkeypatch.setattr(os, "execvpe", execvpe)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return words


def test_user_without_root_becomes_root_of_a_namespace(became: list[list[str]]) -> None:
    """The same words run again inside `buildah unshare`."""
    with pytest.raises(BecameError):
        privileges.enter_user_namespace(["call", "build"], {})

    assert became == [["buildah", "unshare", sys.executable, "-m", "wheelhouse_engine", "call", "build"]]


def test_nobody_enters_twice(became: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Root stays as it is, and so does who is in a namespace already."""
    privileges.enter_user_namespace(["call"], {privileges.ROOTLESS_UID: "1000"})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    privileges.enter_user_namespace(["call"], {})

    assert became == []


def test_user_is_known_by_the_number_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a namespace the number outside names the user's folders, elsewhere the effective one."""
    monkeypatch.setattr(privileges, "is_machine_root", lambda: False)
    monkeypatch.setenv(privileges.ROOTLESS_UID, "1234")
    assert privileges.user_id() == 1234
    monkeypatch.delenv(privileges.ROOTLESS_UID)
    assert privileges.user_id() == os.geteuid()
