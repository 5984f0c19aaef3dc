"""What any engine does with symbolic links: follow them inside the snapshot, not when times are set.

Sources: core/directory.go (Stat, Exists, Entries, WithTimestamps, WithNewFile) and the golden answers.
"""

import dagger
import pytest
from dagger import dag

pytestmark = pytest.mark.engine

TIME = 315532800


def made(container: dagger.Container, script: str) -> dagger.Directory:
    """Return the folder /t in which a script of the shell ran."""
    return container.with_workdir("/t").with_exec(["sh", "-c", script]).directory("/t")


def times(container: dagger.Container, folder: dagger.Directory, *names: str) -> dagger.Container:
    """Print the times of paths of a folder; links are not followed."""
    held = container.with_mounted_directory("/m", folder).with_workdir("/m")
    return held.with_exec(["stat", "-c", "%n %Y", *names])


@pytest.mark.parametrize(
    "link",
    [
        "ln -s nowhere l",
        "ln -s /t/f l",
        "ln -s l l",
        "ln -s b a; ln -s a b",
        "ln -s f/x l",
        "mkdir -p d/e; ln -s ../../../../no/such/file d/e/l",
        "mkdir d; ln -s /t/d l",
        "ln -s /opt/venv/bin/python l",
    ],
)
async def test_times_of_a_link_that_leads_nowhere_are_refused(base: dagger.Container, link: str) -> None:
    """Dangling, absolute, circular links and those through a file fail, as os.Chtimes does."""
    with pytest.raises(dagger.QueryError, match="chtimes"):
        await made(base, f"echo x > f; {link}").with_timestamps(TIME).sync()


@pytest.mark.parametrize(
    "link",
    ["ln -s f l", "ln -s . l", "mkdir d; ln -s ../f d/l", "ln -s ../etc/hostname l", "ln -s /etc/passwd l"],
)
async def test_times_of_a_link_that_leads_somewhere_are_set(base: dagger.Container, link: str) -> None:
    """Links in the snapshot, above the folder too, and links to what every system has are followed."""
    held = made(base, f"touch /etc/hostname; echo x > f; {link}").with_timestamps(TIME)

    assert await times(base, held, "f").stdout() == f"f {TIME}\n"


async def test_a_link_keeps_its_own_time(base: dagger.Container) -> None:
    """Only what a link leads to gets the time."""
    held = made(base, "echo x > f; ln -s f l; touch -h -d @1000000000 l").with_timestamps(TIME)

    assert await times(base, held, "f", "l").stdout() == f"f {TIME}\nl 1000000000\n"


async def test_times_of_a_file_that_is_a_dangling_link_are_refused(base: dagger.Container) -> None:
    """A link to an absolute path is readable in its snapshot and has no time to set."""
    held = made(base, "echo x > f; ln -s /t/f l").file("l")

    assert await held.contents() == "x\n"
    with pytest.raises(dagger.QueryError, match="chtimes"):
        await held.with_timestamps(TIME).sync()


async def test_absolute_links_are_followed_from_the_snapshots_root(base: dagger.Container) -> None:
    """A folder of a container is a place in its file system: links lead into all of it."""
    folder = made(
        base, "mkdir d; echo x > d/f; ln -s /t/d/f abs; ln -s /t/d dir; ln -s /etc/passwd out; ln -s no l"
    )

    found = [await folder.exists(name) for name in ("abs", "dir", "dir/f", "out", "l", "abs/x/..")]
    assert found == [True, True, True, True, False, True]
    assert await folder.exists("abs", expected_type=dagger.ExistsType.REGULAR_TYPE)
    assert await folder.stat("dir").name() == "d"
    assert await folder.entries(path="dir") == ["f"]


async def test_a_path_may_lead_above_the_folder(base: dagger.Container) -> None:
    """`..` stops at the snapshot's root, not at the folder. Source: path.Join of both in Stat."""
    folder = made(base, "echo x > f")

    assert await folder.exists("../etc/passwd")
    assert "passwd" in await folder.entries(path="../etc")
    assert await folder.file("../../etc/passwd").name() == "passwd"


async def test_a_circle_and_a_path_through_a_file_are_no_answer(base: dagger.Container) -> None:
    """`exists` answers no for what is missing, and fails for the rest."""
    folder = made(base, "echo x > f; ln -s a b; ln -s b a")

    assert not await folder.exists("none/x")
    for path in ("a", "f/x"):
        with pytest.raises(dagger.QueryError):
            await folder.exists(path)
    assert await folder.exists("a", do_not_follow_symlinks=True)


async def test_links_lead_into_a_folder_after_it_was_changed(base: dagger.Container) -> None:
    """A changed folder stays at its place: a link with that place goes on leading into it."""
    folder = made(base, "echo x > f; ln -s /t/f abs").with_new_file("new", "n")

    assert await folder.file("abs").contents() == "x\n"
    assert await folder.with_new_file("abs", "written").file("f").contents() == "written"
    assert [await folder.entries(), await folder.name()] == [["abs", "f", "new"], "t/"]


async def test_changes_through_a_link_reach_what_it_leads_to(base: dagger.Container) -> None:
    """A new file, a copied folder and a removed path below a linked folder change the folder itself."""
    folder = made(base, "mkdir d; echo x > d/f; echo y > d/g; ln -s /t/d dir")
    changed = folder.with_new_file("dir/new", "n").without_file("dir/f")
    changed = changed.with_directory("dir", dag.directory().with_new_file("copied", "c"))

    assert await changed.directory("d").entries() == ["copied", "g", "new"]
    assert await changed.entries() == ["d/", "dir"]


async def test_a_removed_link_leaves_what_it_led_to(base: dagger.Container) -> None:
    """Removing a path does not follow its last link."""
    folder = made(base, "echo x > f; ln -s f l; mkdir d; ln -s d e")

    assert await folder.without_file("l").without_directory("e").entries() == ["d/", "f"]


async def test_a_difference_has_the_folder_of_what_was_removed(fresh: dagger.Container) -> None:
    """The folders above a removed path are part of the difference. Source: checkParent of diffapply."""
    old = made(fresh, "mkdir -p a/b c/d; echo 1 > a/b/f; echo 2 > c/d/g; echo 3 > top; echo 4 > kept")
    held = fresh.with_mounted_directory("/m", old)
    new = held.with_exec(["sh", "-c", "rm -r /m/a/b/f /m/c/d /m/top"])

    assert await old.diff(new.directory("/m")).glob("**") == ["a/", "a/b/", "c/"]


async def test_a_difference_sees_another_time(fresh: dagger.Container) -> None:
    """A file of equal content and another time differs; a folder does not. Source: samePathInfo."""
    old = made(fresh, "mkdir d; echo 1 > d/f; echo 2 > g; ln -s g l")
    held = fresh.with_mounted_directory("/m", old)
    new = held.with_exec(["sh", "-c", "touch -d @5 /m/d/f /m/d; touch -h -d @5 /m/l"]).directory("/m")

    assert await old.diff(new).glob("**") == ["d/", "d/f", "l"]
    assert await old.diff(old).entries() == []


async def test_a_difference_sees_another_mode_and_owner(fresh: dagger.Container) -> None:
    """Mode and owner of files and folders count."""
    old = made(fresh, "mkdir d e; echo 1 > f; echo 2 > g")
    held = fresh.with_mounted_directory("/m", old)
    new = held.with_exec(["sh", "-c", "chmod 700 /m/d; chown 5 /m/e; chmod 600 /m/f"]).directory("/m")

    assert await old.diff(new).glob("**") == ["d/", "e/", "f"]
