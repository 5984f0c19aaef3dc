"""What any engine answers about directories and files."""

import tempfile
from pathlib import Path

import dagger
import pytest
from dagger import ExistsType, FileType, dag

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("client")]


def tree() -> dagger.Directory:
    """Give a small tree with a link."""
    held = (
        dag.directory().with_new_file("a/one.txt", "one\ntwo\nthree\n").with_new_file("a/b/two.md", "two\n")
    )
    return held.with_new_file("top.txt", "top", permissions=0o600).with_symlink("a/one.txt", "link")


async def modes(folder: dagger.Directory, *paths: str) -> list[str]:
    """Return the permission bits of paths."""
    return [f"{await folder.stat(path).permissions():o}" for path in paths]


async def test_new_file_keeps_the_mode_of_what_it_overwrites() -> None:
    """`permissions` count for a new file only."""
    held = (
        tree()
        .with_new_file("top.txt", "new", permissions=0o755)
        .with_new_file("fresh", "", permissions=0o640)
    )

    assert await modes(held, "top.txt", "fresh", "a") == ["600", "640", "755"]
    assert await held.file("top.txt").contents() == "new"


async def test_new_directory_has_the_mode_that_was_asked_for() -> None:
    """Without one it is 0644, its parents too; a directory that is there keeps its own."""
    held = dag.directory().with_new_directory("x/y").with_new_directory("z", permissions=0o750)

    assert await modes(held.with_new_directory("z", permissions=0o700), "x", "x/y", "z") == [
        "644",
        "644",
        "750",
    ]


async def test_name_of_a_directory_ends_in_a_slash() -> None:
    """The last part of the path; the root is only the slash."""
    assert [await tree().name(), await tree().directory("a/b").name()] == ["/", "b/"]


async def test_find_up_gives_the_path_as_it_was_started() -> None:
    """The nearest one counts; a start that is not there is an error, no match is None."""
    assert await tree().find_up("one.txt", "a/b") == "a/one.txt"
    assert await tree().find_up("top.txt", "a/b") == "top.txt"
    assert await tree().find_up("two.md", "/a/b") == "/a/b/two.md"
    assert await tree().find_up("none", "a/b") is None
    with pytest.raises(dagger.QueryError):
        await tree().find_up("top.txt", "nowhere")


async def test_exists_tells_links_from_what_they_lead_to() -> None:
    """A link is a file where it leads to one, and a link when links are asked for."""
    held = tree().with_symlink("nowhere", "broken")
    kinds = (ExistsType.REGULAR_TYPE, ExistsType.DIRECTORY_TYPE, ExistsType.SYMLINK_TYPE)

    assert [await held.exists("link", expected_type=kind) for kind in kinds] == [True, False, True]
    assert [await held.exists("a", expected_type=kind) for kind in kinds] == [False, True, False]
    assert [await held.exists("broken"), await held.exists("broken", do_not_follow_symlinks=True)] == [
        False,
        True,
    ]


async def test_stat_follows_links_unless_told_not_to() -> None:
    """Name and kind are those of the file that was reached."""
    through, itself = tree().stat("link"), tree().stat("link", do_not_follow_symlinks=True)

    assert [await through.name(), await through.file_type()] == ["one.txt", FileType.REGULAR]
    assert [await itself.name(), await itself.file_type()] == ["link", FileType.SYMLINK]


async def test_without_takes_patterns_with_a_star() -> None:
    """A star stands for a part of one name; nothing that matches is fine."""
    held = dag.directory().with_new_file("a.txt", "").with_new_file("b.md", "").with_new_file("d/c.txt", "")

    assert await held.without_file("*.txt").glob("**") == ["b.md", "d/", "d/c.txt"]
    assert await held.without_files(["d/*.txt", "*.none"]).glob("**") == ["a.txt", "b.md", "d/"]
    assert await held.without_directory("d").entries() == ["a.txt", "b.md"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"offset_lines": 1}, "two\nthree\n"),
        ({"limit_lines": 1}, "one\n"),
        ({"offset_lines": 1, "limit_lines": 1}, "two\n"),
        ({"limit_lines": 0}, ""),
        ({"offset_lines": 9}, ""),
    ],
)
async def test_contents_by_lines(options: dict[str, int], text: str) -> None:
    """Lines are counted from 0; only a newline ends one."""
    assert await tree().file("a/one.txt").contents(**options) == text
    odd = dag.file("f", "a\x0bb\rc\nd")
    assert await odd.contents(limit_lines=1) == "a\x0bb\rc\n"


async def test_replaced_text_must_be_found_once() -> None:
    """Several places are an error that names them, unless all or the first from a line is meant."""
    file = dag.file("f", "x=1\nx=2\nx=3\n")

    assert await file.with_replaced("x", "y", all=True).contents() == "y=1\ny=2\ny=3\n"
    assert await file.with_replaced("x", "y", first_from=2).contents() == "x=1\ny=2\nx=3\n"
    assert await file.with_replaced("none", "y", all=True).contents() == "x=1\nx=2\nx=3\n"
    with pytest.raises(dagger.QueryError, match="multiple times"):
        await file.with_replaced("x", "y").contents()
    with pytest.raises(dagger.QueryError, match="not found"):
        await file.with_replaced("none", "y").contents()


async def test_file_takes_another_name_time_and_no_folder() -> None:
    """`withName` renames; a name with a folder in it is refused."""
    file = dag.file("f", "x", permissions=0o600)

    assert await file.with_name("g").name() == "g"
    assert oct(await file.with_name("g").stat().permissions()) == "0o600"
    with pytest.raises(dagger.QueryError, match="directory"):
        await file.with_name("a/b").name()
    with pytest.raises(dagger.QueryError, match="directory"):
        await dag.file("a/b", "x").contents()


async def test_filters_include_then_exclude_then_include_again() -> None:
    """Patterns are those of .dockerignore: `**` crosses folders, `!` takes back."""
    held = tree()

    assert await held.filter(include=["a/**", "*.txt"], exclude=["**/*.md"]).glob("**") == [
        "a/",
        "a/b/",
        "a/one.txt",
        "top.txt",
    ]
    assert await held.filter(exclude=["a", "!a/b"]).glob("**") == [
        "a/",
        "a/b/",
        "a/b/two.md",
        "link",
        "top.txt",
    ]


async def test_diff_and_changes_tell_what_is_new() -> None:
    """A diff holds what was added or changed; a changeset names each path once."""
    after = tree().with_new_file("new", "n").with_new_file("a/one.txt", "x").without_file("top.txt")
    changes = after.changes(tree())

    assert await tree().diff(after).glob("**") == ["a/", "a/one.txt", "new"]
    assert await changes.added_paths() == ["new"]
    assert await changes.modified_paths() == ["a/one.txt"]
    assert await changes.removed_paths() == ["top.txt"]
    assert await tree().with_changes(changes).glob("**") == await after.glob("**")


async def test_search_by_pattern_text_and_place() -> None:
    """Lines and places of matches; patterns are regular expressions unless literal."""

    async def found(**options: object) -> list[tuple[str, int]]:
        return [(await r.file_path(), await r.line_number()) for r in await tree().search(**options)]  # type: ignore[arg-type]

    assert sorted(await found(pattern="^t")) == [
        ("a/b/two.md", 1),
        ("a/one.txt", 2),
        ("a/one.txt", 3),
        ("top.txt", 1),
    ]
    assert await found(pattern="TWO", insensitive=True, globs=["*.md"]) == [("a/b/two.md", 1)]
    assert await found(pattern="t.o", literal=True) == []
    assert await found(pattern="two", paths=["a/b"]) == [("a/b/two.md", 1)]
    with pytest.raises(dagger.QueryError, match="escape"):
        await found(pattern="x", paths=["../.."])


async def test_timestamps_and_owners_by_number() -> None:
    """Whole seconds since 1970; a digest does not depend on times but on owners."""
    held = tree()

    assert await held.with_timestamps(1).digest() == await held.with_timestamps(2).digest()
    assert await held.chown("a", "1:2").digest() != await held.digest()
    with pytest.raises(dagger.QueryError):
        await held.chown("a", "nobody").digest()


async def test_owner_by_name_is_the_one_of_the_file_system(base: dagger.Container) -> None:
    """Names come from the tree's own /etc/passwd; without a group the group is the user's number."""
    rootfs = base.rootfs().chown("/srv", "games")
    held = base.with_directory("/srv", dag.directory().with_new_file("f", ""), owner="games:games")
    show = ["stat", "-c", "%u:%g", "/srv/f"]

    assert await held.with_exec(show).stdout() == "5:60\n"
    assert await base.with_rootfs(rootfs).with_exec([*show[:-1], "/srv"]).stdout() == "5:5\n"


async def test_export_merges_unless_it_wipes_and_gives_the_path() -> None:
    """Files that are there stay; with `wipe` only what is exported is left."""
    with tempfile.TemporaryDirectory() as name:
        Path(name, "old").write_text("old")

        assert await tree().export(name) == name
        assert (Path(name, "old").exists(), Path(name, "link").is_symlink()) == (True, True)
        await tree().export(name, wipe=True)
        assert not Path(name, "old").exists()
        with pytest.raises(dagger.QueryError):
            await tree().file("top.txt").export(f"{name}/a")
        await tree().file("top.txt").export(f"{name}/a", allow_parent_dir_path=True)
        assert Path(name, "a", "top.txt").read_text() == "top"
