"""Promises about the paths of an image: what is not in it, who may write, how old it is."""

import re
from collections.abc import Callable
from typing import Final

from verify.distributions import recorded
from verify.image import Entry
from verify.subject import SLIM, Subject
from verify.verdict import CannotTellError, Observation, Promise

DECLARED_SHELL: Final = ("/bin/dash", "/bin/sh", "/usr/bin/dash", "/usr/bin/sh")
"""What `shell = true` of a service brings."""
SHELLS: Final = re.compile(r"^(r?bash|d?ash|sh|zsh|k?sh|mksh|csh|tcsh|fish|busybox|toybox|sash)$")
COMPILERS: Final = re.compile(
    r"^((.*-linux-gnu-)?(gcc|g\+\+|cc|c\+\+|cpp|clang|clang\+\+|ld|ld\..*|as|ar|gold|collect2)(-[\d.]+)?"
    r"|cc1(plus)?|c[89]9|tcc|make|gmake|cmake|ninja|meson|rustc|cargo|go|nvcc|ptxas|javac)$"
)
INSTALLERS: Final = re.compile(r"^(pip[\d.]*|easy_install.*|uvx?|poetry|pdm|pipx|conda|mamba)$")
INSTALLER_FOLDERS: Final = re.compile(
    r"/(site|dist)-packages/(pip|uv|ensurepip)/__init__\.pyc?$|/ensurepip/__init__"
)
MANAGERS: Final = re.compile(
    r"/(apt|apt-get|apt-cache|aptitude|dpkg|dpkg-deb|apk|yum|dnf|microdnf|rpm|zypper|pacman|snap|brew|npm)$"
)
MANAGER_DATA: Final = re.compile(r"^/var/(lib/apt/lists|cache/apt)/.*[^/]\.(deb|bin|gz|lz4|InRelease)$")
PROGRAMS: Final = re.compile(r"/(s?bin|libexec|games)/[^/]+$")
HEADERS: Final = re.compile(
    r"\.(h|hh|hpp|hxx|cuh|pxd|a|la|pc)$|/include/.*\.(h|inc)$|^/usr/(local/)?include/.+"
)
TEST_MODULE: Final = re.compile(r"/(test_[^/]*|[^/]*_test)\.pyc?$")
TEST_FOLDER: Final = re.compile(r"/tests?/.*\.(py|pyc|so)$|/conftest\.pyc?$")
TEST_CODE: Final = re.compile(
    rb"^\s*((async )?def test_?\w*\(|class \w+\(.*TestCase|(import|from) (pytest|unittest)\b)", re.MULTILINE
)
"""What makes a module named test_… a test: prompts and statistical tests have such names, too."""
CACHED: Final = re.compile(r"/__pycache__/(.+)\.cpython-\d+(\.opt-\d)?\.pyc$")
PRIVATE: Final = re.compile(
    r"/(\.git|\.hg|\.svn|\.aws|\.ssh|\.docker|\.kube|\.gnupg|\.azure)(/|$)"
    r"|/(\.env(\..+)?|\.envrc|\.netrc|_netrc|\.pypirc|\.npmrc|\.pgpass|\.git-credentials|\.bash_history"
    r"|\.python_history|id_(rsa|dsa|ecdsa|ed25519)|credentials\.json|service[-_]account.*\.json)$"
)
STICKY: Final = ("/tmp", "/var/tmp")  # noqa: S108 - the paths inside the image


def shells(subject: Subject) -> Observation:
    """Look for command interpreters among what can be started."""
    found = _programs(subject, lambda entry: bool(SHELLS.match(entry.name)))
    if not subject.facts.shell:
        return subject.seen(found)
    others = [entry for entry in found if entry.path not in DECLARED_SHELL]
    seen = subject.seen(others)
    return Observation(seen.wrong, f"dash as /bin/sh, declared by shell = true; {seen.looked}")


def compilers(subject: Subject) -> Observation:
    """Look for compilers, linkers and build tools."""
    return subject.seen(_programs(subject, lambda entry: bool(COMPILERS.match(entry.name))))


def installers(subject: Subject) -> Observation:
    """Look for pip and its like, as programs and as modules."""
    modules = [entry for entry in subject.image.files if INSTALLER_FOLDERS.search(entry.path)]
    return subject.seen([*_programs(subject, lambda one: bool(INSTALLERS.match(one.name))), *modules])


def package_managers(subject: Subject) -> Observation:
    """Look for package managers and for what they have downloaded."""
    data = [entry for entry in subject.image.files if MANAGER_DATA.match(entry.path)]
    return subject.seen([*_programs(subject, lambda one: bool(MANAGERS.search(one.path))), *data])


def headers(subject: Subject) -> Observation:
    """Look for C headers and static libraries; what distributions read at run time the prune rules leave."""
    found = [entry for entry in subject.image.files if HEADERS.search(entry.path)]
    listed = recorded(subject.image)
    kept = [entry for entry in found if entry.path in listed]
    seen = subject.seen(entry for entry in found if entry.path not in listed)
    detail = f"; {len(kept)} of distributions, which the prune rules leave" if kept else ""
    return Observation(seen.wrong, f"{seen.looked}{detail}")


def tests(subject: Subject) -> Observation:
    """Look for test modules; what a distribution lists as its own is left to the prune rules."""
    found = {entry.path: entry for entry in subject.image.files if _is_test(subject, entry)}
    listed = recorded(subject.image)
    kept = [path for path in found if CACHED.sub(r"/\1.py", path) in listed]
    seen = subject.seen(entry for path, entry in found.items() if path not in set(kept))
    detail = f"; {len(kept)} test modules of distributions, which the prune rules leave" if kept else ""
    return Observation(seen.wrong, f"{seen.looked}{detail}")


def _is_test(subject: Subject, entry: Entry) -> bool:
    source = CACHED.sub(r"/\1.py", entry.path)
    if TEST_FOLDER.search(source):
        return True
    if not TEST_MODULE.search(source):
        return False
    original = subject.image.tree.get(source)
    return original is None or bool(TEST_CODE.search(subject.image.contents(original)))


def private_files(subject: Subject) -> Observation:
    """Look for repositories, environments and credentials by name, in every layer."""
    found = [entry for entry in subject.image.every_entry if PRIVATE.search(entry.path)]
    return subject.seen(found, [f"{entry.path} (layer {entry.layer})" for entry in found])


def set_id_files(subject: Subject) -> Observation:
    """Look for files that run as their owner or group."""
    found = [entry for entry in subject.image.tree.values() if entry.member.mode & 0o6000]
    return subject.seen(found, [_with_mode(entry) for entry in found])


def capability_files(subject: Subject) -> Observation:
    """Look for files that give their process capabilities."""
    return subject.seen(entry for entry in subject.image.tree.values() if entry.has_capability)


def writable_paths(subject: Subject) -> Observation:
    """Look for what everyone may write, the sticky folders for temporary files apart."""

    def open_to_all(entry: Entry) -> bool:
        if entry.member.issym() or not entry.member.mode & 0o002:
            return False
        return not (entry.path in STICKY and entry.member.mode & 0o1000)

    found = [entry for entry in subject.image.tree.values() if open_to_all(entry)]
    return subject.seen(found, [_with_mode(entry) for entry in found])


def service_owned_paths(subject: Subject) -> Observation:
    """Look for what the service's own user owns: it could change it, and so could who takes it over."""
    user = str(subject.image.settings.get("User", "")).partition(":")[0]
    if not user.isdigit() or user == "0":
        raise CannotTellError(f"the image runs as {user or 'root'}, who may write everywhere")
    found = [entry for entry in subject.image.tree.values() if entry.member.uid == int(user)]
    return subject.seen(found)


def device_files(subject: Subject) -> Observation:
    """Look for device nodes and pipes."""
    return subject.seen(
        entry for entry in subject.image.tree.values() if entry.member.isdev() or entry.member.isfifo()
    )


def newer_files(subject: Subject) -> Observation:
    """Look for times later than the build's epoch, in every layer."""
    if subject.facts.base == "slim":
        raise CannotTellError(f"{SLIM}, with its own times")
    late = [entry for entry in subject.image.every_entry if entry.member.mtime > subject.facts.epoch]
    return Observation(
        [f"{entry.path} ({entry.member.mtime:.0f})" for entry in late], f"{len(subject.image.tree)} paths"
    )


def _programs(subject: Subject, wanted: Callable[[Entry], bool]) -> list[Entry]:
    """Return what can be started and is wanted: in a folder of programs, or executable anywhere."""
    return [
        entry
        for entry in subject.image.tree.values()
        if not entry.member.isdir()
        and wanted(entry)
        and (PROGRAMS.search(entry.path) or (entry.member.isreg() and entry.member.mode & 0o111))
    ]


def _with_mode(entry: Entry) -> str:
    return f"{entry.path} ({entry.member.mode & 0o7777:04o})"


MEND_BASE: Final = "Leave it out of the layer that brings it, or build with --base=small."
PROMISES: Final = (
    Promise("no shell", shells, "no command interpreter", MEND_BASE),
    Promise("no compiler", compilers, "no compiler, linker or build tool", MEND_BASE),
    Promise("no pip", installers, "no installer of Python packages", MEND_BASE),
    Promise("no package manager", package_managers, "no apt, dpkg, apk, rpm; none of their data", MEND_BASE),
    Promise(
        "no headers",
        headers,
        "no C headers and no static libraries",
        "Drop them with a prune rule: nothing compiles in the image.",
    ),
    Promise(
        "no tests",
        tests,
        "no test modules besides those that distributions need",
        "Take them out of `packages` of [tool.wheelhouse] in pyproject.toml.",
    ),
    Promise(
        "no repository or credentials by name",
        private_files,
        "no .git, .env, .netrc, key files, … in any layer",
        "Take them out of the folder that is copied: deleting them in a later layer hides nothing.",
    ),
    Promise(
        "no set-user-id files",
        set_id_files,
        "no SUID or SGID bit",
        "Clear the bits where the file is made: chmod u-s,g-s.",
    ),
    Promise(
        "no file capabilities",
        capability_files,
        "no security.capability attribute",
        "Remove it where the file is made: setcap -r.",
    ),
    Promise(
        "no world-writable paths",
        writable_paths,
        "none but /tmp and /var/tmp, with the sticky bit",
        "Set the mode where the file is made: chmod o-w.",
    ),
    Promise(
        "nothing owned by the service's user",
        service_owned_paths,
        "all files owned by others than the user that runs",
        "Copy without an owner: root's files are readable, and nobody in the image can change them.",
    ),
    Promise("no device files", device_files, "no devices and no pipes", "Remove them from the layer."),
    Promise(
        "no file newer than the epoch",
        newer_files,
        "times of at most the build's epoch, so that equal inputs give equal bytes",
        "Set the times where the file is made, without following links: os.utime(…, follow_symlinks=False).",
    ),
)
