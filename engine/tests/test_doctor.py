"""Each prerequisite is found or comes with its fix."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from wheelhouse_engine.doctor import Finding, Machine, examine, main, numbers_in, render


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Describe a machine of root's that has everything."""
    for path, text in {
        "proc/filesystems": "nodev\tproc\nnodev\toverlay\n",
        "proc/sys/user/max_user_namespaces": "28633\n",
        "proc/sys/kernel/unprivileged_userns_clone": "1\n",
        "etc/subuid": "ann:100000:65536\n",
        "etc/subgid": "ann:100000:65536\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return Machine(
        environ={"USER": "ann"},
        root=tmp_path,
        which=lambda name: f"/usr/bin/{name}",
        run_version=lambda _program: "buildah version 1.28.2 (image-spec 1.1.0)",
        store=tmp_path,
    )


def finding(machine: Machine, name: str) -> Finding:
    """Examine a machine for one thing."""
    return next(one for one in examine(machine) if one.name == name)


def test_a_machine_with_everything_is_fine(machine):
    """Nothing is missing, and the last line says so."""
    text = render([one for one in examine(machine) if one.name != "disk"])

    assert "FAIL" not in text
    assert text.endswith("the embedded engine can run here\n")


@pytest.mark.parametrize(
    ("program", "name", "fix"),
    [
        ("buildah", "buildah", "apt-get install buildah"),
        ("runc", "runc", "apt-get install runc"),
        ("skopeo", "skopeo", "apt-get install skopeo"),
        ("ip", "ip", "apt-get install iproute2"),
        ("git", "git", "apt-get install git"),
        ("mmdebstrap", "mmdebstrap", "apt-get install mmdebstrap"),
    ],
)
def test_a_missing_program_comes_with_its_package(machine, program, name, fix):
    """What is not on PATH is found missing, with the command that installs it."""
    lacking = replace(machine, which=lambda asked: None if asked == program else f"/usr/bin/{asked}")

    found = finding(lacking, name)

    assert (found.ok, found.found) == (False, "not found")
    assert fix in found.fix


def test_an_old_buildah_is_not_enough(machine):
    """The version counts, not only the name."""
    assert not finding(replace(machine, run_version=lambda _program: "buildah version 1.19.6"), "buildah").ok


def test_a_user_needs_namespaces_and_subordinate_ids(machine):
    """Without root, each lacking piece of a rootless build is named with its fix."""
    bob = replace(machine, uid=1000, environ={"USER": "bob"}, which=lambda _name: None)
    (machine.root / "proc/sys/user/max_user_namespaces").write_text("0\n")

    found = finding(bob, "privileges")

    assert not found.ok
    for part in ("user namespaces are off", "no etc/subuid for bob", "no newuidmap"):
        assert part in found.found
    assert "usermod --add-subuids 100000-165535 bob" in found.fix
    assert "apt-get install uidmap" in found.fix


def test_a_user_with_all_of_it_is_fine(machine):
    """Rootless is as good as root when it is set up."""
    assert finding(replace(machine, uid=1000), "privileges").ok


def test_without_overlay_builds_are_only_slower(machine):
    """A missing overlay is a note, not a failure."""
    (machine.root / "proc/filesystems").write_text("nodev\tproc\n")

    found = finding(replace(machine, which=lambda _name: None), "overlay")

    assert (found.ok, found.required) == (False, False)
    assert "note  overlay" in render([found])


def test_a_missing_requirement_is_exit_code_1(monkeypatch, machine):
    """The exit code says whether the engine can run."""
    monkeypatch.setattr(
        "wheelhouse_engine.doctor.this_machine", lambda: replace(machine, which=lambda _name: None)
    )
    out = io.StringIO()

    assert main(out) == 1
    assert "missing: buildah, runc" in out.getvalue()
    assert "fix: apt-get install buildah" in out.getvalue()


def test_too_little_disk_says_where(monkeypatch, machine):
    """Free space is measured where the store is, or will be."""
    monkeypatch.setattr("wheelhouse_engine.doctor.MIN_FREE_GB", 10.0**9)

    found = finding(replace(machine, store=machine.root / "not" / "yet"), "disk")

    assert not found.ok
    assert str(machine.root) in found.found


@pytest.mark.parametrize(
    ("text", "numbers"), [("buildah version 1.28.2 (x)", (1, 28, 2)), ("0.21.11", (0, 21, 11)), ("none", ())]
)
def test_versions_are_read(text, numbers):
    """The first dotted number of a text is its version."""
    assert numbers == numbers_in(text)
