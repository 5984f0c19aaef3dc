"""`dag.current_module().source()`: what a module sees of its own files."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import MODULES, PROGRAM

pytestmark = pytest.mark.engine

FILES = {"deep/kept.txt": "kept\n", "left_out/big.bin": "x" * 1000, "run.log": "l", "ignored.txt": "i"}


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Place the module in a git repository, with files that dagger.json and .gitignore leave out."""
    folder = tmp_path / "repository" / "module"
    shutil.copytree(MODULES / "sourced", folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder.parent / ".gitignore").write_text("ignored.txt\n__pycache__\n")
    (folder.parent / "outside.txt").write_text("of the repository, not of the module\n")
    git(folder.parent, "init", "--quiet")
    return folder


def git(folder: Path, *words: str) -> str:
    """Run git with an author and return what it prints."""
    author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    ran = subprocess.run(
        ["git", "-C", str(folder), *author, *words], check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


def call(folder: Path, *words: str) -> list[str]:
    """Run `wheelhouse call` in a folder and return the lines it prints."""
    ran = subprocess.run([*PROGRAM, "call", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_the_source_is_the_modules_folder_without_what_it_excludes(module, tmp_path):
    """dagger.json's exclusions, .gitignore and .git stay out; the rest of the repository, too."""
    found = call(tmp_path, "-m", str(module), "names")

    assert found == ["dagger.json", "deep/", "deep/kept.txt", "main.py"]


def test_a_filtered_source_and_one_of_its_files_are_read(module):
    """`filter` and `file` go on from the source."""
    assert call(module, "chosen", "--pattern=**/*.txt") == ["deep/", "deep/kept.txt"]
    assert call(module, "text", "--path=deep/kept.txt") == ["kept"]


def test_a_module_of_a_commit_reads_the_commits_files(module):
    """A module that `-m URL@COMMIT` fetched has its own source, not the caller's folder."""
    git(module.parent, "add", "--force", ".")
    git(module.parent, "commit", "--quiet", "-m", "first")
    commit = git(module.parent, "rev-parse", "HEAD")
    (module / "deep" / "kept.txt").unlink()

    address = f"git://host.example/owner/name.git/module@{commit}"

    assert call(module, "-m", address, "names") == [
        "dagger.json",
        "deep/",
        "deep/kept.txt",
        "ignored.txt",
        "main.py",
    ]


def test_what_include_adds_outside_the_source_does_not_enter_it(module):
    """`source` names the folder that is returned; `include` may add files around it to the context."""
    (module / "src").mkdir()
    (module / "main.py").rename(module / "src" / "main.py")
    (module / "dagger.json").write_text(
        '{"name": "sourced", "sdk": "python", "source": "src", "include": ["../outside.txt"]}'
    )

    assert call(module, "names") == ["main.py"]


def test_an_edit_outside_a_filter_runs_nothing_again(module):
    """What is built from a part of the source is cached by that part's content."""
    first = call(module, "built", "--pattern=deep/**")
    (module / "main.py").write_text((module / "main.py").read_text() + "# a comment\n")
    (module / "deep" / "kept.txt").touch()

    assert call(module, "built", "--pattern=deep/**") == first

    (module / "deep" / "kept.txt").write_text("changed\n")
    assert call(module, "built", "--pattern=deep/**") != first


PLAIN_CLIENT = """
import anyio, dagger

async def main():
    async with dagger.connection():
        await dagger.dag.current_module().name()

anyio.run(main)
"""


def test_a_client_that_is_no_module_has_no_current_module(module):
    """`wheelhouse run` is a plain client: the engine refuses, as Dagger does."""
    words = [*PROGRAM, "run", "python", "-c", PLAIN_CLIENT]

    ran = subprocess.run(words, cwd=module, capture_output=True, text=True, check=False)

    assert "no current module" in ran.stderr
