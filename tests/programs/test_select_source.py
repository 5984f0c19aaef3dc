"""What of a service's folder enters its image, and what is said of the rest."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

SHELL = {"shell": True}
PROGRAM = Path(__file__).parents[2] / "pipeline/programs/select_source.py"


@dataclass(frozen=True)
class Selected:
    """What the program did."""

    code: int
    said: str
    entered: set[str]


@pytest.fixture
def select(tmp_path: Path) -> Callable[..., Selected]:
    """Give a function that writes a source and selects from it."""

    def run(files: dict[str, str | bytes], **wanted: object) -> Selected:
        for name, contents in files.items():
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
        basic = {
            "packages": ["app"],
            "include": [],
            "tests": "",
            "shell": False,
            "command": "app",
            "files": {},
        }
        (tmp_path / "wanted.json").write_text(json.dumps(basic | wanted))
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        command = [sys.executable, str(PROGRAM), "--source", str(tmp_path / "in")]
        command += ["--wanted", str(tmp_path / "wanted.json"), "--out", str(tmp_path / "out")]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
        root = tmp_path / "out/app"
        entered = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
        return Selected(ran.returncode, ran.stderr, entered)

    return run


def private_key(kind: str, *options: str) -> bytes:
    """Return a key that openssl makes."""
    command = ["openssl", "genpkey", "-algorithm", kind, *options]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_data_enters_whatever_its_name_is(select):
    """Indexes, pickles, weights, certificates and modules called test_* are the service's own."""
    names = ["app/i.bin", "app/i.pkl", "app/ca.pem", "app/test_prompt.py", "app/m.onnx", "app/tests/x.txt"]
    found = select(dict.fromkeys(names, "data"))

    assert (found.code, found.said, found.entered) == (0, "", set(names))


IGNORED = {
    ".dockerignore": ({".dockerignore": "**/*.log\n", "app/a/x.log": "1"}, "app/a/x.log"),
    ".gitignore": ({".gitignore": "/app/data/\n", "app/data/x": "1"}, "app/data/x"),
    ".gitignore of a folder": ({"app/.gitignore": "*.tmp\n", "app/x.tmp": "1"}, "app/x.tmp"),
    "conftest": ({"app/conftest.py": ""}, "app/conftest.py"),
    "own tests": ({"app/checks/test_a.py": ""}, "app/checks/test_a.py"),
    "bytecode": ({"app/__pycache__/m.cpython-313.pyc": "x"}, "app/__pycache__"),
    "caches": ({"app/.pytest_cache/x": "x"}, "app/.pytest_cache"),
}


@pytest.mark.parametrize(("files", "named"), IGNORED.values(), ids=IGNORED)
def test_what_is_left_out_is_said_with_the_key_that_brings_it_in(select, files, named):
    """One line has the path, the size and the `include` that changes it; with that it is there."""
    source = {"app/m.py": "", **files}
    left = select(source, tests="app/checks")

    assert not [name for name in left.entered if name.startswith(named)]
    assert re.search(rf"left out of the image: {re.escape(named)}/? \(", left.said)
    assert f'include = ["{named}"]' in left.said

    brought = select(source, tests="app/checks", include=[named])
    assert [name for name in brought.entered if name.startswith(named)]


def git(folder: Path, *words: str) -> str:
    """Run git in a folder, without any user's settings."""
    command = ["git", "-c", "protocol.file.allow=always", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_files_that_git_does_not_track_stay_out_and_are_named(select, tmp_path, version):
    """Only tracked files enter, as they are now; the rest is one line with its topmost folder and the key."""
    files = {"app/m.py": "1", "app/sub/ä b.txt": "1", "app/sub/new.json": "{}", "app/dump/x/1": "1"}
    select(files)
    git(tmp_path / "in", "init", "-q")
    git(tmp_path / "in", "config", "index.version", version)
    git(tmp_path / "in", "add", "app/m.py", "app/sub/ä b.txt")
    if version == "3":  # written where an entry has more flags
        git(tmp_path / "in", "add", "--intent-to-add", "app/sub/new.json")
    tracked = set(git(tmp_path / "in", "ls-files", "-z").split("\0")) - {""}
    found = select({"app/m.py": "2", "app/dump/x/2": "1"})

    assert (tmp_path / "in/.git/index").read_bytes()[7:8] == bytes([int(version)])
    assert found.entered == tracked
    assert (tmp_path / "out/app/app/m.py").read_text() == "2"
    assert "app/dump (2 files, 0.0 kB)" in found.said
    assert 'not tracked by git; include = ["app/dump"]' in found.said
    brought = select({}, include=["app/dump"])
    assert {"app/dump/x/1", "app/dump/x/2"} <= brought.entered


def test_files_of_a_submodule_enter(select, tmp_path):
    """The index has one entry for a submodule, whatever files it has."""
    select({"app/m.py": "", "other/lib.py": ""})
    for folder in ("other", "."):
        git(tmp_path / "in" / folder, "init", "-q")
    git(tmp_path / "in/other", "add", ".")
    git(tmp_path / "in/other", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a")
    git(tmp_path / "in", "submodule", "--quiet", "add", str(tmp_path / "in/other"), "app/lib")
    git(tmp_path / "in", "add", "app/m.py")

    assert select({}).entered == {"app/m.py", "app/lib/lib.py"}


def test_a_source_without_an_index_of_its_own_enters_whole(select, tmp_path):
    """A folder below a repository, one without commits, and one with a shared index tell nothing."""
    files = {"app/m.py": "", "app/x.txt": ""}
    assert select(files).entered == set(files)
    git(tmp_path / "in", "init", "-q")
    assert select(files).entered == set(files)
    git(tmp_path / "in", "add", "app/m.py")
    git(tmp_path / "in", "update-index", "--split-index")
    assert select(files).entered == set(files)


@pytest.mark.parametrize(
    ("rules", "entered"),
    [
        ("*\n!app/a.txt\n", {"app/a.txt"}),
        ("app/*.txt\n!app/b.*\n", {"app/b.txt", "app/m.py", "app/sub/c.txt"}),
        ("**/*.txt\n", {"app/m.py"}),
        ("app/sub\n!app/sub/c.txt\n", {"app/a.txt", "app/b.txt", "app/m.py", "app/sub/c.txt"}),
        ("# nothing\n\n/app/[ab].txt\n", {"app/m.py", "app/sub/c.txt"}),
        ("app/?.txt\n", {"app/m.py", "app/sub/c.txt"}),
    ],
)
def test_dockerignore_is_read_as_moby_reads_it(select, rules, entered):
    """The last pattern that matches decides, `!` excepts, `*` stays in a folder, `**` crosses folders."""
    files = dict.fromkeys(["app/a.txt", "app/b.txt", "app/m.py", "app/sub/c.txt"], "")

    assert select({**files, ".dockerignore": rules}).entered == entered


def test_private_keys_are_known_by_their_contents(select):
    """A key never enters, whatever it is called and whatever `include` says; a certificate does."""
    pem = private_key("EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    der = private_key("RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-outform", "DER")
    account = json.dumps({"private_key": pem.decode()})
    keys = {"app/key.pem": pem, "app/notes.txt": b"see\n" + pem, "app/k.bin": der, "app/sa.json": account}
    found = select({**keys, "app/ca.pem": "-----BEGIN CERTIFICATE-----\nMII"}, include=["app"])

    assert found.entered == {"app/ca.pem"}
    assert all(name in found.said for name in keys)
    assert "never enter an image" in found.said


@pytest.mark.parametrize("name", [".env", ".env.prod", ".netrc", ".git/config", ".ssh/id_rsa", ".pypirc"])
def test_files_of_credentials_never_enter(select, name):
    """Credentials by name stay out whatever `include` says."""
    found = select({"app/m.py": "", f"app/{name}": "x"}, include=["**"])

    assert found.entered == {"app/m.py"}
    assert name.partition("/")[0] in found.said


def test_a_key_in_code_is_refused(select):
    """A module cannot be left out without breaking the service, so the build stops."""
    code = f'KEY = """{private_key("ED25519").decode()}"""'
    found = select({"app/m.py": code})

    assert (found.code, found.entered) == (1, set())
    assert "app/m.py holds a private key" in found.said
    assert select({"app/m.py": 'if "-----BEGIN PRIVATE KEY-----" in text: ...'}).code == 0


def test_code_that_starts_a_shell_is_named(select):
    """What would end with 127 at run time is a sentence at build time, unless the image has a shell."""
    code = 'import os, subprocess\nos.system("x")\nsubprocess.run("x", shell=True)\nsubprocess.run(["x"])\n'
    said = select({"app/m.py": code}).said

    assert [line.split(" needs")[0] for line in said.splitlines()] == [
        "app/m.py:2: os.system",
        "app/m.py:3: subprocess.run(shell=True)",
    ]
    assert not select({"app/m.py": code}, **SHELL).said


def test_a_command_that_is_a_shell_script_is_refused(select):
    """Only `shell = true` starts it."""
    files = {"app/start.sh": "#!/usr/bin/env bash\nexec uvicorn\n"}

    assert "command starts './app/start.sh', a shell script" in select(files, command="./app/start.sh").said
    assert select(files, command="./app/start.sh", **SHELL).code == 0


def test_a_package_of_which_nothing_is_left_is_refused(select):
    """An image without its code is not an image."""
    found = select({".gitignore": "app/\n", "app/m.py": ""})

    assert found.code == 1
    assert "packages names 'app', of which nothing enters the image" in found.said


def test_a_link_into_the_source_becomes_the_file(select, tmp_path):
    """A link to a file outside of the packages brings it; one inside stays a link."""
    (tmp_path / "in/app").mkdir(parents=True)
    (tmp_path / "in/app/shared.txt").symlink_to("../shared/x.txt")
    (tmp_path / "in/app/same.py").symlink_to("m.py")
    found = select({"app/m.py": "", "shared/x.txt": "text"})

    assert found.entered == {"app/m.py", "app/shared.txt", "app/same.py"}
    assert (tmp_path / "out/app/app/shared.txt").read_text() == "text"
    assert (tmp_path / "out/app/app/same.py").is_symlink()
