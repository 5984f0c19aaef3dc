"""No credential is left in any layer, removed or not, nor in the configuration."""

from base64 import b64encode
from hashlib import md5

import pytest

from tests.programs.verify.conftest import SITE

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


PRIVATE = f"-----BEGIN PRIVATE KEY-----\n{'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY'}\n"


def test_a_key_in_an_unmodified_file_of_debian_is_no_secret(small):
    """Libraries test themselves with keys of their own; one changed byte makes it a finding."""
    small.add("usr/lib/libgnutls.so.30", PRIVATE)
    digest = md5(PRIVATE.encode(), usedforsecurity=False).hexdigest()
    small.add("var/lib/dpkg/status.d/libgnutls30.md5sums", f"{digest}  usr/lib/libgnutls.so.30\n")
    assert "1 public files" in small.verdicts()["no key of known form"]["found"]

    small.add("usr/lib/libgnutls.so.30", f"{PRIVATE}\n")
    assert "/usr/lib/libgnutls.so.30" in small.verdicts()["no key of known form"]["found"]


def test_a_key_in_an_unmodified_file_of_a_wheel_is_no_secret(wheel):
    """A wheel is public; the same key in the application, or in a changed file of the wheel, is one."""
    small = wheel({"demo/selftest.py": f'KEY = """{PRIVATE}"""\n'})
    assert small.broken() == []

    small.add(f"{SITE}/demo/selftest.py", f'KEY = """{PRIVATE}"""\n\n')
    assert "no key of known form" in small.broken()
    assert "no secret in texts" in small.broken()


def test_a_key_that_a_wheel_has_too_is_a_secret_in_the_application(wheel):
    """Only whole files are public."""
    small = wheel({"demo/selftest.py": f'KEY = """{PRIVATE}"""\n'})
    small.add("srv/app/rag/key.txt", PRIVATE)

    assert "/srv/app/rag/key.txt" in small.verdicts()["no key of known form"]["found"]


REVISION = 'revision = "1975ea83b712"\n'


@pytest.mark.parametrize(
    ("path", "fails"), [("/srv/app/rag/migrations/*", False), ("/srv/app/other/*", True), ("", True)]
)
def test_a_line_that_only_looks_like_a_secret_can_be_accepted(small, path, fails):
    """The revision numbers of migrations look random: accepted by path and kind, nowhere else."""
    small.add("srv/app/rag/migrations/one.txt", REVISION)
    if path:
        entry = {"path": path, "kind": "Hex High Entropy String", "reason": "revisions of alembic"}
        small.facts["accepted_secrets"] = [entry]

    assert ("no secret in texts" in small.broken()) == fails


def test_a_key_of_known_form_is_never_accepted(small):
    """What is certainly a key stays a finding."""
    small.add("srv/app/rag/token.txt", f'token = "{TOKEN}"\n')
    small.facts["accepted_secrets"] = [
        {"path": "/*", "kind": kind, "reason": "all of it is accepted"}
        for kind in ("GitHub Token", "Secret Keyword", "Base64 High Entropy String")
    ]

    assert small.broken() == ["no key of known form"]
