"""Each promise that files and settings keep: an image that keeps all, and one that breaks each."""

import json
import shutil
import tarfile
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from tests.programs.verify.conftest import EPOCH, OCI, SITE, TAG, pyc

pytestmark = pytest.mark.integration

CAPABILITY = {"SCHILY.xattr.security.capability": "x"}
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
PICKLE = b"\x80\x04\x95"


def test_a_good_image_keeps_every_promise(small):
    """Nothing fails and nothing is skipped where everything is declared."""
    statuses = {name: check["status"] for name, check in small.verdicts().items()}

    assert set(statuses.values()) == {"passed"}
    assert len(statuses) >= 30


FILES = {
    "no shell": ("bin/sh", {"mode": 0o755}),
    "no compiler": ("usr/bin/x86_64-linux-gnu-gcc-14", {"mode": 0o755}),
    "no pip": ("opt/venv/bin/pip3", {"mode": 0o755}),
    "no package manager": ("usr/bin/dpkg", {"mode": 0o755}),
    "no headers": ("usr/include/zlib.h", {}),
    "no repository or credentials by name": ("srv/app/.env", {}),
    "no set-user-id files": ("usr/bin/su", {"mode": 0o4755}),
    "no file capabilities": ("usr/bin/ping", {"pax_headers": CAPABILITY}),
    "no world-writable paths": ("srv/data", {"mode": 0o666}),
    "nothing owned by the service's user": ("srv/owned", {"uid": 1001}),
    "no device files": ("dev/disk", {"type": tarfile.BLKTYPE, "size": 0}),
    "no file newer than the epoch": ("srv/new", {"mtime": EPOCH + 1}),
}


@pytest.mark.parametrize(("path", "header"), FILES.values(), ids=FILES)
def test_one_file_breaks_one_promise(small, request, path, header):
    """The promise that the file breaks fails, no other, and the path is named."""
    name = request.node.callspec.id
    small.add(path, **header)

    checks = small.verdicts()

    assert [one for one, check in checks.items() if check["status"] == "failed"] == [name]
    assert f"/{path}" in checks[name]["found"]
    assert checks[name]["expected"]
    assert checks[name]["do"]


def test_a_test_module_breaks_no_tests(small):
    """Tests of the service have no place in its image."""
    small.add("srv/app/rag/test_main.py", "A = 1\n")
    small.add(f"srv/app/rag/__pycache__/test_main.{TAG}.pyc", pyc("A = 1\n"))

    assert small.broken() == ["no tests"]


SETTINGS = {
    "numeric non-root user": ("User", "app"),
    "healthcheck present": ("Healthcheck", {"Test": ["NONE"]}),
    "port exposed": ("ExposedPorts", {}),
}


@pytest.mark.parametrize(("key", "value"), SETTINGS.values(), ids=SETTINGS)
def test_one_setting_breaks_one_promise(small, request, key, value):
    """User, health probe and port are each judged alone."""
    small.settings[key] = value

    assert small.broken() == [request.node.callspec.id]


def test_root_is_refused_in_every_spelling(small):
    """0, an empty user and group 0 are root."""
    for user in ("", "0", "0:0", "1001:0"):
        small.settings["User"] = user
        assert small.verdicts()["numeric non-root user"]["status"] == "failed"


def test_a_missing_label_breaks_labels_complete(small):
    """Each required annotation is there."""
    del small.settings["Labels"][f"{OCI}description"]

    assert small.broken() == ["labels complete"]


def test_another_base_breaks_base_pinned(small):
    """The digest is that of the base that was resolved."""
    small.facts["base_reference"] = "docker.io/library/python:3.13-slim@sha256:" + "cd" * 32

    assert small.broken() == ["base pinned by digest"]


def test_an_unlocked_package_is_named(small):
    """What no lock names is not installed."""
    small.add(f"{SITE}/extra-2.0.dist-info/METADATA", "Name: extra\nVersion: 2.0\nLicense-Expression: MIT\n")

    checks = small.verdicts()

    assert "extra 2.0 is in no lock" in checks["packages match the lock"]["found"]
    assert checks["package files match the wheels"]["status"] == "failed"


def test_a_changed_package_file_is_named(small):
    """One byte that differs from the wheel fails."""
    small.add(f"{SITE}/demo/__init__.py", "B = 3\n")

    assert small.broken() == ["package files match the wheels"]


@pytest.mark.parametrize("image", ["", "nvidia/cuda:13.0.1-base-ubi9"])
def test_libraries_beside_the_wheels_pass_only_where_an_image_of_nvidia_brought_them(small, image):
    """Without --cuda-base a library of no wheel is a file of no wheel."""
    small.add(f"{SITE}/nvidia/cu13/lib/libcudart.so.13", "not a library")
    small.facts["cuda_image"] = image

    assert ("package files match the wheels" in small.broken()) == (not image)


def test_bytecode_of_another_source_is_named(small):
    """Unchecked bytecode is used whatever the source says, so it must be that of the source."""
    small.add(f"srv/app/rag/__pycache__/main.{TAG}.pyc", pyc("A = 2\n"))

    assert small.broken() == ["bytecode valid"]


def test_a_licence_off_the_list_is_named(small):
    """A service decides which licences it ships."""
    small.facts["licences"] = ["Apache-2.0"]

    assert small.broken() == ["licences allowed"]


@pytest.mark.parametrize(
    ("expression", "fails"),
    [
        ("GPL-3.0-only OR (MIT AND Apache-2.0)", False),
        ("MIT AND GPL-3.0-only", True),
        ("Apache License 2.0", False),
        ("MIT WITH Classpath-exception-2.0", False),
        ("MIT AND", True),
        ("", True),
    ],
)
def test_an_expression_of_licences_is_met_or_not(small, expression, fails):
    """Alternatives, conjunctions, exceptions and names of old are judged; nonsense counts as refused."""
    small.facts["licences"] = ["MIT", "Apache-2.0"]
    record = json.dumps({"revision": "r", "licence": expression, "files": []})
    small.add("models/mini/provenance.json", record)

    assert ("licences allowed" in small.broken()) == fails


def test_a_changed_model_is_named(small):
    """A model file has the sha256 that the export recorded."""
    small.add("models/mini/model.onnx", b"oNnx")

    assert small.broken() == ["models match models.lock"]


def test_a_renamed_pickle_is_found_by_content(small):
    """A name does not make a pickle harmless."""
    small.add("models/mini/config.json", PICKLE)

    assert "no pickle among the models" in small.broken()


def test_too_large_breaks_both_budgets(small):
    """Raw and compressed sizes are judged each against its own budget."""
    small.add("srv/large", bytes(range(256)) * 8192)

    assert small.broken() == ["size within budget", "compressed size within budget"]


def test_what_a_higher_layer_removes_is_still_shipped(small):
    """Covered bytes count, and are named with their layer."""
    small.add("srv/big", bytes(range(251)) * 800)
    small.layer()
    small.add("srv/.wh.big", b"")

    assert small.broken() == ["nothing covered by other layers"]


def test_equal_files_are_named_together(small):
    """The same bytes at two paths are shipped once too often."""
    for path in ("srv/one", "srv/two"):
        small.add(path, bytes(range(249)) * 100)

    checks = small.verdicts()

    assert "/srv/one = /srv/two" in checks["nothing twice"]["found"]


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


def test_a_missing_library_is_named(small):
    """A library that the loader would not find is named with the file that needs it."""
    small.add("usr/lib/extra.so", Path(shutil.which("tail") or "/usr/bin/tail").read_bytes())

    checks = small.verdicts()

    assert "needs libc.so.6" in checks["shared libraries resolvable"]["found"]
    assert checks["shared libraries resolvable"]["status"] == "failed"


def test_a_slim_base_is_not_held_against_its_own_tools(small):
    """What Debian's tools write, a device of the build and the budgets are excused, and said to be."""
    small.facts["base"] = "slim"
    small.facts["budget_mb"] = small.facts["budget_compressed_mb"] = 1
    small.add("var/cache/apt/pkgcache.bin", b"x" * 2_000_000)
    small.add("dev/console", b"", type=tarfile.CHRTYPE, mode=0o666)
    small.layer()
    small.add("var/cache/apt/pkgcache.bin", b"y" * 2_000_000)

    checks = small.verdicts()

    assert [name for name, check in checks.items() if check["status"] == "failed"] == []
    for name in ("no package manager", "no device files", "size within budget"):
        assert checks[name]["status"] == "skipped"
        assert "--base=slim" in checks[name]["reason"]


def test_a_slim_base_excuses_nothing_else(small):
    """A shell or a device that the service brings is still found."""
    small.facts["base"] = "slim"
    small.add("srv/app/sh", b"x", mode=0o755)
    small.add("srv/app/disk", b"", type=tarfile.BLKTYPE)
    small.add("srv/app/big", b"x" * 500_000)
    small.layer()
    small.add("srv/app/big", b"y")

    assert small.broken() == ["no shell", "no device files", "nothing covered by other layers"]


COMMIT = "c0ffee" * 6 + "beef"
HUB = "models/models--me--mini"


@pytest.fixture
def hub(small):
    """Give an image whose model lies in the hub's own cache layout."""
    weights = b"weights of the model"
    blob = sha256(weights).hexdigest()
    small.layers = [[one for one in layer if not one[0].name.startswith("models/")] for layer in small.layers]
    small.add(f"{HUB}/blobs/{blob}", weights)
    small.add(f"{HUB}/refs/main", COMMIT)
    link = f"../../blobs/{blob}"
    small.add(f"{HUB}/snapshots/{COMMIT}/w.safetensors", b"", type=tarfile.SYMTYPE, linkname=link)
    lock = f'[models.mini]\nrevision = "{COMMIT}"\nlicence = "mit"\nsources = ["hf://me/mini@{COMMIT}"]\n'
    lock += f'[[models.mini.files]]\npath = "w.safetensors"\nsha256 = "{blob}"\n'
    (small.folder / "models.lock").write_text(lock)
    return small


def test_a_hub_cache_is_held_against_the_lock(hub):
    """The layout that torch services read keeps the promises about files and licence, too."""
    verdicts = hub.verdicts()

    assert verdicts["models match models.lock"]["status"] == "passed"
    assert verdicts["licences allowed"]["status"] == "passed"


def test_the_licence_of_a_hub_cache_is_judged(hub):
    """Without a record beside the model the licence in the lock counts."""
    hub.facts["licences"] = ["Apache-2.0"]

    assert "model mini: mit" in hub.verdicts()["licences allowed"]["found"]


def test_a_changed_blob_or_one_beside_is_named(hub):
    """Another file of the same name, and one that no lock has, break the promise."""
    hub.add(f"{HUB}/blobs/extra", b"beside")
    hub.layer()
    hub.add(f"{HUB}/refs/main", "another")

    found = hub.verdicts()["models match models.lock"]

    assert found["status"] == "failed"
    assert "blobs/extra is in no lock" in found["found"]
    assert "refs/main names another" in found["found"]
