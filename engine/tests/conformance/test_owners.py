"""Whom any engine gives files to. Sources: ownership of core/container.go, resolveDirectoryOwner."""

import dagger
import pytest
from dagger import dag

pytestmark = pytest.mark.engine


def tree() -> dagger.Directory:
    """Return a folder with a file."""
    return dag.directory().with_new_file("d/f", "x")


@pytest.fixture
def people(base: dagger.Container) -> dagger.Container:
    """Give a container with a user of another group, and a group."""
    script = "echo 'ann:x:1501:1600::/home/ann:/bin/sh' >> /etc/passwd; echo 'team:x:1700:ann' >> /etc/group"
    return base.with_exec(["sh", "-c", script])


async def owners(container: dagger.Container, *paths: str) -> list[str]:
    """Return user and group of paths."""
    shown = container.with_exec(["stat", "-c", "%u:%g", *paths])
    return (await shown.stdout()).split()


@pytest.mark.parametrize(
    ("owner", "numbers"),
    [
        ("1001", "1001:1001"),
        ("1001:5", "1001:5"),
        ("ann", "1501:1501"),
        ("ann:team", "1501:1700"),
        ("7:team", "7:1700"),
        ("root", "0:0"),
        ("1001:", "1001:0"),
        (":team", "0:1700"),
    ],
)
async def test_an_owner_is_read_as_numbers_or_names(
    people: dagger.Container, owner: str, numbers: str
) -> None:
    """A user without a group has the group of its own number; an empty part is root."""
    held = people.with_directory("/c", tree(), owner=owner).with_new_file("/n", "x", owner=owner)
    held = held.with_mounted_directory("/m", tree(), owner=owner)
    held = held.with_mounted_file("/v", tree().file("d/f"), owner=owner)

    assert await owners(held, "/c", "/c/d/f", "/n", "/m", "/m/d/f", "/v") == [numbers] * 6


@pytest.mark.parametrize("owner", ["nobodyhere", "ann:noteam", "99999999999", "1001:nogroup2"])
async def test_an_unknown_owner_is_refused_without_an_exec(people: dagger.Container, owner: str) -> None:
    """A name that the container does not have fails when the file, folder or mount is made."""
    made = [
        people.with_directory("/c", tree(), owner=owner),
        people.with_file("/c", tree().file("d/f"), owner=owner),
        people.with_mounted_directory("/m", tree(), owner=owner),
        people.with_mounted_file("/m", tree().file("d/f"), owner=owner),
        people.with_mounted_cache("/m", dag.cache_volume("owners"), owner=owner),
        people.with_mounted_secret("/m", dag.set_secret("owners", "x"), owner=owner),
    ]
    for container in made:
        with pytest.raises(dagger.QueryError):
            await container.sync()


async def test_names_are_those_at_the_time_of_the_mount(people: dagger.Container) -> None:
    """A user whose number changes later does not take the mount along."""
    held = people.with_mounted_directory("/m", tree(), owner="ann")
    changed = held.with_exec(["sed", "-i", "s/1501/1502/", "/etc/passwd"])

    assert await owners(changed, "/m") == ["1501:1501"]


async def test_a_mounted_folder_is_seen_with_its_owner(base: dagger.Container) -> None:
    """The folder that is asked of the mount belongs to the owner as well."""
    mounted = base.with_mounted_directory("/m", tree(), owner="1001:1002").directory("/m")

    assert await owners(base.with_directory("/copy", mounted), "/copy", "/copy/d/f") == ["1001:1002"] * 2


async def test_a_directory_knows_no_empty_name(base: dagger.Container) -> None:
    """In a Directory an empty group is a name, which no file has; without /etc/passwd no name is known."""
    root = base.rootfs().directory("etc")
    for folder, owner in ((tree(), "root:"), (tree(), "daemon"), (base.rootfs(), "1001:")):
        with pytest.raises(dagger.QueryError):
            await folder.with_directory("/new", tree(), owner=owner).sync()
    assert await root.with_new_file("new", "x").exists("new")


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("ann", "1501 1600 1600 1700"),
        ("1501", "1501 1600 1600 1700"),
        ("ann:team", "1501 1700 1700"),
        ("4321", "4321 0 0"),
        ("4321:9", "4321 9 9"),
    ],
)
async def test_a_process_has_the_groups_of_its_user(people: dagger.Container, user: str, shown: str) -> None:
    """Without a group: the user's own and those that list it. Source: oci.GetUser."""
    ran = people.with_user(user).with_exec(["sh", "-c", "echo $(id -u) $(id -g) $(id -G)"])

    assert await ran.stdout() == f"{shown}\n"


@pytest.mark.parametrize("user", ["nobodyhere", "ann:noteam"])
async def test_a_process_of_an_unknown_user_is_not_started(people: dagger.Container, user: str) -> None:
    """The error has code -1 and no output."""
    with pytest.raises(dagger.ExecError) as caught:
        await people.with_user(user).with_exec(["true"]).sync()

    assert (caught.value.exit_code, caught.value.stdout, caught.value.stderr) == (-1, "", "")
