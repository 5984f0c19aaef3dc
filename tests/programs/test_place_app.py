"""The layer of an application: modes, links and times do not come from the checkout."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PROGRAM = Path(__file__).parents[2] / "pipeline/programs/place_app.py"
SERVICE = Path(__file__).parents[2] / "app/rag"
UNCHECKED = b"\x01\0\0\0"
"""Flags of bytecode that names its source by hash and never looks at it (PEP 552)."""


@pytest.fixture
def source(tmp_path):
    """Copy the reference service as the source of an image."""
    shutil.copytree(SERVICE, tmp_path / "in/rag", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "in"


def place(
    source: Path, out: Path, *words: str, at: str = "/srv/app", seed: str = "0"
) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    command = [sys.executable, *map(str, (PROGRAM, "--source", source, "--out", out)), "--at", at, *words]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def contents(out: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_the_layer_is_rooted_like_the_image(source, tmp_path):
    """Files are below OUT/srv/app, and nothing else is in the layer."""
    assert place(source, tmp_path / "out").returncode == 0

    assert {path.name for path in (tmp_path / "out").iterdir()} == {"srv"}
    assert (tmp_path / "out/srv/app/rag/main.py").read_bytes() == (source / "rag/main.py").read_bytes()


def test_every_module_has_bytecode_that_needs_no_time(source, tmp_path):
    """Bytecode names its source as the image will, and is never checked again."""
    place(source, tmp_path / "out")

    modules = list((tmp_path / "out/srv/app/rag").glob("*.py"))
    assert len(modules) > 20
    for path in modules:
        (compiled,) = path.parent.glob(f"__pycache__/{path.stem}.*.pyc")
        assert compiled.read_bytes()[4:8] == UNCHECKED
        assert f"/srv/app/rag/{path.name}".encode() in compiled.read_bytes()


def test_equal_sources_give_equal_bytes(source, tmp_path):
    """Two runs at different times write the same files, bytecode included."""
    place(source, tmp_path / "one")
    place(source, tmp_path / "two")

    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_random_hash_seed_is_refused(source, tmp_path):
    """Constant sets would be written in another order each time."""
    result = place(source, tmp_path / "out", seed="random")

    assert result.returncode == 1
    assert "expected PYTHONHASHSEED=0" in result.stderr


def test_every_time_is_fixed(source, tmp_path):
    """No file, folder or link has a later time than 1980-01-01."""
    (source / "rag/current").symlink_to("main.py")

    place(source, tmp_path / "out")

    times = {path.lstat().st_mtime for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]}
    assert times == {315532800}


def test_modes_of_the_checkout_do_not_reach_the_image(source, tmp_path):
    """Files are 0644, 0755 where someone may execute them; folders are 0755."""
    (source / "rag/cpus.py").chmod(0o600)
    (source / "rag/main.py").chmod(0o700)
    (source / "rag").chmod(0o700)

    place(source, tmp_path / "out")

    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "out").rglob("*")}
    assert (modes["rag"], modes["cpus.py"], modes["main.py"]) == (0o755, 0o644, 0o755)


@pytest.mark.parametrize(
    "target", ["/etc/shadow", "../../../outside", "nowhere", "shadow", "/srv/app/rag/main.py"]
)
def test_a_link_that_leads_out_or_nowhere_is_refused(source, tmp_path, target):
    """An absolute, a leaving, a dangling and a circular link are named, and nothing is placed."""
    (tmp_path / "outside").write_text("")
    (source / "rag/shadow").symlink_to(target)

    result = place(source, tmp_path / "out")

    assert result.returncode == 1
    assert f"rag/shadow -> {target}" in result.stderr
    assert not (tmp_path / "out").exists()


def test_links_inside_the_source_stay_links(source, tmp_path):
    """A link to a file, and one to a folder that holds it, are copied as they are."""
    (source / "rag/latest.py").symlink_to("main.py")
    (source / "rag/self").symlink_to("../rag")

    assert place(source, tmp_path / "out").returncode == 0

    placed = tmp_path / "out/srv/app/rag"
    assert (placed / "latest.py").readlink() == Path("main.py")
    assert (placed / "self").readlink() == Path("../rag")


def test_a_module_that_does_not_compile_is_named(source, tmp_path):
    """A syntax error stops the build with the file and the line."""
    (source / "rag/cpus.py").write_text("def broken(:\n")

    result = place(source, tmp_path / "out")

    assert result.returncode == 1
    assert 'File "/srv/app/rag/cpus.py", line 1' in result.stderr


@pytest.fixture
def at():
    """Give a path of an application that no other test has below /tmp; remove what is copied there."""
    with tempfile.TemporaryDirectory() as below:
        yield f"/{Path(below).name}/app"


def test_what_the_service_changes_is_copied_below_tmp_when_python_starts(source, tmp_path, at):
    """The link leads to a copy that can be written and stays; the image keeps what it had."""
    (source / "rag/index").mkdir()
    (source / "rag/index/a.txt").write_text("baked")
    (source / "rag/notes.txt").write_text("baked")
    words = [word for name in ("rag/index", "rag/notes.txt") for word in ("--writable", name)]
    result = place(source, tmp_path / "out", *words, at=at)
    app = tmp_path / "out" / at.lstrip("/")
    code = "import sys; a = open(sys.argv[1], 'a'); a.write('+'); a.close(); print(open(sys.argv[1]).read())"

    def append(name: str) -> str:
        command = [sys.executable, "-c", code, str(app / name)]
        environment = {**os.environ, "PYTHONPATH": str(app)}
        ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return ran.stdout.strip()

    assert (result.returncode, result.stderr) == (0, "")
    assert (app / "rag/index").readlink() == Path(f"/tmp{at}/rag/index")
    assert [append("rag/index/a.txt"), append("rag/index/a.txt")] == ["baked+", "baked++"]
    assert append("rag/notes.txt") == "baked+"
    assert (app / ".writable/rag/index/a.txt").read_text() == "baked"


def test_a_writable_place_that_is_not_there_is_refused(source, tmp_path):
    """The message names the path; a sitecustomize of the service's own is refused, too."""
    absent = place(source, tmp_path / "out", "--writable", "rag/nothing")
    (source / "sitecustomize.py").touch()
    twice = place(source, tmp_path / "other", "--writable", "rag/main.py")

    assert (absent.returncode, twice.returncode) == (1, 1)
    assert "writable names ['rag/nothing'], which the image does not have below /srv/app" in absent.stderr
    assert "packages has sitecustomize.py, which `writable` brings itself" in twice.stderr
