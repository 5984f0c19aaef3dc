"""What any engine does with files, mounts and caches."""

import uuid

import dagger
import pytest
from dagger import CacheSharingMode, dag

pytestmark = pytest.mark.engine

NAMES = ["ü.txt", "a b", "line\nbreak", "'quoted\"", "-dash", "n" * 255]


async def stat(container: dagger.Container, *paths: str) -> list[str]:
    """Return mode, owner, links and kind of paths as a process sees them."""
    words = ["stat", "-c", "%a %u:%g %h %F", *paths]
    return (await container.with_exec(words).stdout()).splitlines()


@pytest.mark.usefixtures("client")
async def test_names_of_any_kind_survive() -> None:
    """Unicode, spaces, quotes, newlines and 255 bytes are names like others."""
    folder = dag.directory()
    for name in NAMES:
        folder = folder.with_new_file(name, "x")

    assert sorted(await folder.entries()) == sorted(NAMES)


async def test_copy_keeps_modes_links_and_empty_folders(fresh: dagger.Container) -> None:
    """Set-id bits, hard links, symbolic links and empty folders are copied as they are."""
    made = fresh.with_exec(
        ["sh", "-c", "mkdir -p /o/empty; cd /o; echo x >a; ln a b; ln -s a s; chown 7:8 a; chmod 6750 a"]
    )
    copied = fresh.with_directory("/c", made.directory("/o"))
    a, b, link, empty = await stat(copied, "/c/a", "/c/b", "/c/s", "/c/empty")

    assert a == b
    assert a.startswith("6750 7:8 ")
    assert int(a.split()[2]) >= 2
    assert link.endswith("symbolic link")
    assert empty.startswith("755 0:0 ")


async def test_owner_and_mode_are_what_was_asked_for(fresh: dagger.Container) -> None:
    """`owner` by number or by name and `permissions` apply to what is copied or written."""
    held = fresh.with_new_file("/n", "x", owner="1:2", permissions=0o640)
    held = held.with_directory("/d", dag.directory().with_new_file("f", "x"), owner="nobody")

    assert (await stat(held, "/n"))[0].startswith("640 1:2 ")
    assert (await stat(held, "/d/f"))[0].split()[1].startswith("65534:")


async def test_mounts_are_written_to_and_never_enter_the_image(fresh: dagger.Container) -> None:
    """Later execs see what was written to a mount; the source and the root file system do not."""
    source = dag.directory().with_new_file("f", "old")
    held = fresh.with_mounted_directory("/m", source).with_exec(["sh", "-c", "echo new >/m/f; rm -f /m/g"])

    assert await held.with_exec(["cat", "/m/f"]).stdout() == "new\n"
    assert await held.directory("/m").file("f").contents() == "new\n"
    assert await source.file("f").contents() == "old"
    assert "m/" not in await held.without_mount("/m").rootfs().entries() or not (
        await held.rootfs().directory("m").entries()
    )


async def test_cache_volume_is_shared_and_no_part_of_the_key(fresh: dagger.Container) -> None:
    """A later exec finds what an earlier one left; its content never makes an exec run again."""
    volume = dag.cache_volume(f"conformance-{uuid.uuid4().hex}")
    draw = ["cat", "/proc/sys/kernel/random/uuid"]
    held = fresh.with_mounted_cache("/cache", volume, sharing=CacheSharingMode.LOCKED)
    first = await held.with_exec(draw).stdout()
    await held.with_exec(["touch", "/cache/left"]).sync()

    assert await held.with_exec(draw).stdout() == first
    assert await held.with_exec(["ls", "/cache"]).stdout() == "left\n"


async def test_removed_files_stay_removed(fresh: dagger.Container) -> None:
    """A file removed from a container or a directory is gone for whatever follows."""
    held = fresh.with_new_file("/gone", "x").without_file("/gone")

    assert not await held.exists("/gone")
    assert await dag.directory().with_new_file("x", "").without_file("x").entries() == []


@pytest.mark.usefixtures("client")
async def test_missing_paths_are_errors_only_when_needed() -> None:
    """A file that is not there is an error at the leaf."""
    missing = dag.directory().file("missing")

    with pytest.raises(dagger.QueryError, match="no such file"):
        await missing.contents()


@pytest.mark.usefixtures("client")
async def test_digest_depends_on_content_alone() -> None:
    """Two ways to the same content give one digest, other content another."""
    one = dag.directory().with_new_file("a", "1").with_new_file("b", "2")
    other = dag.directory().with_new_file("b", "2").with_new_file("a", "1")

    assert await one.digest() == await other.digest()
    assert await one.digest() != await other.with_new_file("a", "3").digest()
