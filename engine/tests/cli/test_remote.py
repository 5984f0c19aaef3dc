"""Modules of git repositories, at the commit that `-m` names."""

import os
import subprocess
from pathlib import Path

import pytest

from wheelhouse_engine.cli.environment import find_module
from wheelhouse_engine.cli.remote import Remote, local_copy
from wheelhouse_engine.store import Store


@pytest.mark.parametrize(
    ("reference", "url", "folder", "ref"),
    [
        ("github.com/me/app", "https://github.com/me/app", "", ""),
        ("github.com/me/app@v1", "https://github.com/me/app", "", "v1"),
        ("github.com/me/app/ci/module@main", "https://github.com/me/app", "ci/module", "main"),
        ("https://git.example.org/team/me/app.git@v1", "https://git.example.org/team/me/app.git", "", "v1"),
        ("https://host.example/me/app.git/sub@v1", "https://host.example/me/app.git", "sub", "v1"),
        ("git@github.com:me/app@v1", "ssh://git@github.com/me/app", "", "v1"),
        ("ssh://git@github.com/me/app", "ssh://git@github.com/me/app", "", ""),
    ],
)
def test_an_address_is_repository_folder_and_ref(reference, url, folder, ref):
    """The forms of `dagger -m` are read as it reads them."""
    assert Remote.parse(reference) == Remote(url=url, folder=folder, ref=ref)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """Give a repository with a module and two commits; the cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    repository = tmp_path / "clone"
    repository.mkdir()
    git(repository, "init", "--quiet")
    for name in ("first", "second"):
        (repository / "dagger.json").write_text(f'{{"name": "{name}", "sdk": "python"}}')
        (repository / "main.py").write_text("")
        git(repository, "add", ".")
        git(repository, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", name)
    return repository


def git(folder: Path, *words: str) -> str:
    """Run git and return what it prints."""
    ran = subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def test_a_commit_that_the_clone_has_needs_no_network(clone):
    """A line from a CI job finds its commit in the clone where it is pasted, whatever is checked out."""
    first = git(clone, "rev-parse", "HEAD~1")

    assert find_module(f"github.com/nobody/nothing@{first}", clone).name == "first"


def test_a_commit_is_fetched_once(clone):
    """The second use takes what is there, even where the clone is gone."""
    head = git(clone, "rev-parse", "HEAD")
    fetched = local_copy(f"github.com/nobody/nothing@{head}", clone)

    assert local_copy(f"github.com/nobody/nothing@{head}", clone.parent) == fetched


def test_fetched_modules_are_pruned(clone, monkeypatch, tmp_path):
    """What was fetched lies in the store and goes with what was unused for longest."""
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    fetched = local_copy(f"github.com/nobody/nothing@{git(clone, 'rev-parse', 'HEAD')}", clone)
    store = Store.open(os.environ)

    assert fetched.parent == store.modules
    assert store.prune(0) > 0
    assert not fetched.exists()
