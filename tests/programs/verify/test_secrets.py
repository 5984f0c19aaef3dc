"""No credential is left in any layer, removed or not, nor in the configuration."""

from base64 import b64encode

import pytest

pytestmark = pytest.mark.integration

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.mark.parametrize("spell", [str, lambda t: t.encode().hex(), lambda t: b64encode(t.encode()).decode()])
def test_a_credential_of_the_build_is_found_in_a_removed_file(small, spell):
    """A file that a later layer removes still holds what was in it, however it is spelt."""
    small.add("srv/notes", f"-- {spell(small.canary)} --")
    small.layer()
    small.add("srv/.wh.notes", b"")

    checks = small.verdicts()

    assert checks["no credential of the build"]["status"] == "failed"
    assert "/srv/notes (layer 1)" in checks["no credential of the build"]["found"]
    assert small.canary not in str(checks)


def test_a_credential_is_found_in_history(small):
    """A build argument stays in the history."""
    small.history = [{"created_by": f"|1 TOKEN={small.canary}"}]

    assert "the image's configuration" in small.verdicts()["no credential of the build"]["found"]


def test_a_key_in_a_binary_file_is_found(small):
    """Keys of known form are looked for in every byte."""
    small.add("srv/blob", b"\0\1" + TOKEN.encode() + b"\0")

    assert small.broken() == ["no key of known form"]


def test_a_password_in_the_environment_is_found(small):
    """The configuration is read as assignments."""
    small.settings["Env"].append("DB_PASSWORD=tr0ub4dor-and-3")

    assert small.broken() == ["no secret in texts"]
