"""The module is found, and the caller's environment stays outside."""

import json
from pathlib import Path

import pytest

from wheelhouse_engine.cli.environment import default_path, find_module, module_environment, read_config
from wheelhouse_engine.cli.failures import ModuleLoadError

PYTHON = {"name": "m", "sdk": {"source": "python"}}


def write(folder: Path, config: object, **files: str) -> Path:
    """Make a module folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagger.json").write_text(json.dumps(config))
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_module_code_sees_an_allow_list_only():
    """Variables of the caller are hidden, those every program needs are kept, telemetry is off."""
    seen = module_environment(
        {"PATH": "/bin", "TOKEN": "t", "OTEL_X": "y", "XDG_CACHE_HOME": "/c", "LC_ALL": "C"}
    )

    assert seen == {"PATH": "/bin", "XDG_CACHE_HOME": "/c", "LC_ALL": "C", "OTEL_SDK_DISABLED": "true"}


def test_the_nearest_dagger_json_upwards_is_the_module(tmp_path):
    """Without -m the search goes up from the working folder."""
    root = write(tmp_path / "m", PYTHON, main__py="")
    (root / "a" / "b").mkdir(parents=True)

    assert find_module(None, root / "a" / "b").root == root


def test_the_entry_point_names_package_and_class(tmp_path):
    """The entry point of pyproject.toml wins over the guessed package."""
    text = '[project]\nname = "x"\n[project.entry-points."dagger.mod"]\nmain_object = "deep.file:Cls"\n'
    config = read_config(write(tmp_path, PYTHON, pyproject__toml=text))

    assert (config.package, config.class_name) == ("deep.file", "Cls")


def test_the_project_name_is_the_package_else_main(tmp_path):
    """Without an entry point the project's package is imported, else `main`."""
    named = write(tmp_path / "a", PYTHON, pyproject__toml='[project]\nname = "My-Pkg"\n', my_pkg__py="")
    plain = write(tmp_path / "b", PYTHON, main__py="")

    assert read_config(named).package == "my_pkg"
    assert (read_config(plain).package, read_config(plain).class_name) == ("main", "M")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"sdk": {"source": "python"}}, "has no name"),
        ({"name": "m", "sdk": {"source": "go"}}, "written for the SDK 'go', expected 'python'"),
        ({"name": "m"}, "written for the SDK 'none'"),
        ([], "expected an object"),
        (PYTHON, "neither the package 'm' nor main.py"),
    ],
)
def test_a_wrong_configuration_is_told(tmp_path, config, message):
    """Each mistake in dagger.json has its own sentence."""
    with pytest.raises(ModuleLoadError, match=message):
        read_config(write(tmp_path, config))


def test_broken_json_names_the_file(tmp_path):
    """A dagger.json that is no JSON is named."""
    (tmp_path / "dagger.json").write_text("{")

    with pytest.raises(ModuleLoadError, match=r"dagger\.json: Expecting"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    "reference", ["https://127.0.0.1:9/a/b", "git@127.0.0.1:a/b", "ssh://127.0.0.1:9/a/b"]
)
def test_a_remote_module_that_git_cannot_fetch_is_named(tmp_path, reference, monkeypatch):
    """The address is told with what git said, and what to do instead."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_SSH_COMMAND", "false")

    with pytest.raises(ModuleLoadError, match=r"127\.0\.0\.1.*cannot be fetched: .*Clone it and pass -m"):
        find_module(reference, tmp_path)


def test_no_module_says_where_it_was_looked_for(tmp_path):
    """Without a dagger.json the folder is named, and the flag that helps."""
    with pytest.raises(ModuleLoadError, match=r"no dagger\.json in"):
        find_module(None, tmp_path)
    with pytest.raises(ModuleLoadError, match=r"has no dagger\.json"):
        find_module("sub", tmp_path)


def test_default_paths_start_at_the_repository_or_the_module(tmp_path):
    """An absolute default path starts at the git repository, a relative one beside dagger.json."""
    config = read_config(write(tmp_path / "repo" / "mod", PYTHON, main__py=""))
    (tmp_path / "repo" / ".git").mkdir()

    assert default_path(config, "/app") == tmp_path / "repo" / "app"
    assert default_path(config, "app") == tmp_path / "repo" / "mod" / "app"
    assert default_path(config, "..") == tmp_path / "repo"


def test_without_git_both_start_at_the_module(tmp_path):
    """Outside a repository the module's folder is the whole context."""
    config = read_config(write(tmp_path / "mod", PYTHON, main__py=""))

    assert default_path(config, "/app") == tmp_path / "mod" / "app"


@pytest.mark.parametrize("path", ["../..", "/../x", "a/../../../x"])
def test_a_default_path_never_leaves_the_context(tmp_path, path):
    """A path that leads out of the context is refused."""
    config = read_config(write(tmp_path / "repo", PYTHON, main__py=""))
    (tmp_path / "repo" / ".git").mkdir()

    with pytest.raises(ModuleLoadError, match="outside"):
        default_path(config, path)


def test_a_link_out_of_the_context_is_refused(tmp_path):
    """A symbolic link does not widen the context."""
    config = read_config(write(tmp_path / "repo", PYTHON, main__py=""))
    (tmp_path / "repo" / "out").symlink_to(tmp_path)

    with pytest.raises(ModuleLoadError, match="outside"):
        default_path(config, "/out")
