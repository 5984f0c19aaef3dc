"""Each promise that files and settings keep: an image that keeps all, and one that breaks each."""

import tarfile

import pytest

from tests.programs.verify.conftest import EPOCH, OCI, SITE, TAG, pyc

pytestmark = pytest.mark.integration

CAPABILITY = {"SCHILY.xattr.security.capability": "x"}


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


TEST = "def test_main():\n    assert True\n"


def test_a_test_module_breaks_no_tests(small):
    """Tests of the service have no place in its image."""
    small.add("srv/app/rag/test_main.py", TEST)
    small.add(f"srv/app/rag/__pycache__/test_main.{TAG}.pyc", pyc(TEST))

    assert small.broken() == ["no tests"]


def test_a_prompt_named_test_is_no_test(small):
    """What counts is what a module holds: a name alone makes no test."""
    small.add("srv/app/prompts/test_prompt.py", "PROMPT = 'x'\n")
    small.add(f"srv/app/prompts/__pycache__/test_prompt.{TAG}.pyc", pyc("PROMPT = 'x'\n"))

    assert small.broken() == []


def test_what_a_distribution_lists_as_its_own_is_not_a_test_left_behind(wheel):
    """Statistical tests and test helpers of packages are imported by them."""
    small = wheel({"demo/stats/_bws_test.py": "def test_statistic(x): pass\n", "demo/test/common.py": ""})

    checks = small.verdicts()

    assert [name for name, check in checks.items() if check["status"] == "failed"] == []
    assert "2 test modules of distributions" in checks["no tests"]["found"]


def test_a_header_that_a_distribution_reads_is_left(wheel):
    """Packages that compile at run time read headers and kernels of their own."""
    assert wheel({"demo/_cffi_include.h": "int x;\n"}).broken() == []


def test_a_test_that_no_distribution_lists_breaks_no_tests(small):
    """A file that somebody put among the packages is not a distribution's own."""
    small.add(f"{SITE}/demo/tests/test_more.py", TEST)

    assert "no tests" in small.broken()


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


@pytest.mark.parametrize("label", ["title", "version", "base.name"])
def test_a_missing_label_breaks_labels_complete(small, label):
    """Each required annotation is there."""
    del small.settings["Labels"][f"{OCI}{label}"]

    assert "labels complete" in small.broken()


@pytest.mark.parametrize("declared", [True, False])
def test_a_label_is_missing_only_where_the_project_declares_it(small, declared):
    """A private service needs neither a description nor a licence; what it declares is in its image."""
    del small.settings["Labels"][f"{OCI}description"]
    if declared:
        small.facts["labels"][f"{OCI}description"] = "A demo"

    assert small.broken() == (["labels complete"] if declared else [])


def test_another_base_breaks_base_pinned(small):
    """The digest is that of the base that was resolved."""
    small.facts["base_reference"] = "docker.io/library/python:3.13-slim@sha256:" + "cd" * 32

    assert small.broken() == ["base pinned by digest"]


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
