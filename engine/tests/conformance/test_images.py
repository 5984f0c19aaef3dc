"""What any engine writes into an image archive: layers per operation, headers; one archive at a time.

Sources: golden answer tar_entries_of_a_layer, measured layers per operation, core/container.go (WithRootFS).
"""

import asyncio
import gzip
import io
import json
import tarfile
import uuid
from pathlib import Path

import dagger
import pytest
from dagger import ImageLayerCompression, dag

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("client")]


async def layers(container: dagger.Container, folder: Path) -> list[list[tarfile.TarInfo]]:
    """Export a container and return the entries of each layer."""
    path = str(folder / f"{uuid.uuid4().hex}.tar")
    await container.export(path)
    with tarfile.open(path) as archive:

        def blob(digest: str) -> bytes:
            return archive.extractfile(f"blobs/sha256/{digest[7:]}").read()  # type: ignore[union-attr]

        index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
        manifest = json.loads(blob(index["manifests"][0]["digest"]))
        tars = [gzip.decompress(blob(layer["digest"])) for layer in manifest["layers"]]
        config = json.loads(blob(manifest["config"]["digest"]))
    assert len(config["rootfs"]["diff_ids"]) == len(tars)
    return [tarfile.open(fileobj=io.BytesIO(one)).getmembers() for one in tars]


async def names(container: dagger.Container, folder: Path) -> list[list[str]]:
    """Return the names in each layer."""
    return [[entry.name for entry in layer] for layer in await layers(container, folder)]


def file(name: str, text: str = "x") -> dagger.File:
    """Return a file of its own."""
    return dag.directory().with_new_file(name, text).file(name)


async def test_headers_have_permissions_and_no_kind(base: dagger.Container, tmp_path: Path) -> None:
    """The mode field has permissions and special bits only; owners are numbers, times whole seconds."""
    script = "mkdir -p /t/d; echo x > /t/d/f; ln -s f /t/d/l; ln /t/d/f /t/d/h; chown -h 5:6 /t/d /t/d/*"
    made = base.with_exec(["sh", "-c", f"{script}; chmod 2750 /t/d; chmod 640 /t/d/f; mkfifo /t/p"])
    [found] = await layers(dag.container().with_directory("/", made.directory("/t")), tmp_path)

    assert [(one.name, oct(one.mode), one.type) for one in found] == [
        ("d", "0o2750", tarfile.DIRTYPE),
        ("d/f", "0o640", tarfile.REGTYPE),
        ("d/h", "0o640", tarfile.LNKTYPE),
        ("d/l", "0o777", tarfile.SYMTYPE),
        ("p", "0o644", tarfile.FIFOTYPE),
    ]
    assert {(one.uid, one.gid, one.uname, one.gname) for one in found[:4]} == {(5, 6, "", "")}
    assert all(one.mtime == int(one.mtime) and not one.pax_headers for one in found)


async def test_headers_of_a_dockerfiles_layers_are_the_same(base: dagger.Container, tmp_path: Path) -> None:
    """A layer of docker_build has them, too; those of the base stay as they are."""
    below = await layers(base, tmp_path)
    text = f"FROM python:3.13-slim\nRUN mkdir /made-{uuid.uuid4().hex}\n"
    built = await layers(dag.directory().with_new_file("Dockerfile", text).docker_build(), tmp_path)

    assert len(built) == len(below) + 1
    assert {oct(one.mode) for one in built[-1]} <= {"0o755", "0o1777"}


async def test_names_that_need_more_are_kept(tmp_path: Path) -> None:
    """Long names, those that are no ASCII and removed files survive the rewriting of headers."""
    long = "/".join(["d" * 60] * 4) + "/name"
    first = (
        dag.container().with_new_file(f"/{long}", "1").with_new_file("/é", "2").with_new_file("/gone", "3")
    )

    found = await names(first.without_file("/gone"), tmp_path)
    assert [found[0][-1], found[1], found[3]] == [long, ["é"], [".wh.gone"]]


async def test_each_operation_is_a_layer(tmp_path: Path) -> None:
    """Files, folders, links and removals are one layer each, several files several; configuration none."""
    made = dag.container().with_new_file("/a", "1").with_files("/b", [file("x"), file("y")])
    made = made.with_directory("/c", dag.directory().with_new_file("d/e", "1").with_new_file("f", "2"))
    made = made.with_symlink("a", "/l").with_label("k", "v").with_env_variable("K", "v").without_file("/a")

    assert await names(made, tmp_path) == [
        ["a"],
        ["b", "b/x"],
        ["b", "b/y"],
        ["c", "c/d", "c/d/e", "c/f"],
        ["l"],
        [".wh.a"],
    ]


async def test_each_of_several_files_is_a_layer(tmp_path: Path) -> None:
    """`withFiles` makes a layer for each file, and none for no file."""
    several = dag.directory().with_new_file("below", "x").with_files("/d", [file("a"), file("b")])
    none = dag.directory().with_new_file("below", "x").with_files("/d", [])

    assert [len(await names(dag.container().with_rootfs(one), tmp_path)) for one in (several, none)] == [3, 1]


async def test_a_root_keeps_the_layers_that_made_it(tmp_path: Path) -> None:
    """`with_rootfs` takes over each step of a directory; a copied directory is one step."""
    steps = dag.directory().with_new_file("a", "1").with_new_directory("d").with_new_file("d/b", "2")
    steps = steps.without_file("a")
    copied = dag.directory().with_directory("/", steps)

    assert await names(dag.container().with_rootfs(steps), tmp_path) == [
        ["a"],
        ["d"],
        ["d", "d/b"],
        [".wh.a"],
    ]
    assert await names(dag.container().with_rootfs(copied), tmp_path) == [["d", "d/b"]]
    assert await dag.container().with_rootfs(steps).rootfs().glob("**") == ["d/", "d/b"]


async def test_a_changed_root_adds_its_steps_to_the_image(base: dagger.Container, tmp_path: Path) -> None:
    """A file that is added to a container's root is one layer on those that the image has."""
    changed = base.rootfs().with_new_file("added", "1").without_file("etc/hostname")
    found = await names(base.with_rootfs(changed), tmp_path)

    assert found[len(await names(base, tmp_path)) :] == [["added"], *found[-1:]]
    assert len(found[-1]) <= 2


async def test_two_archives_of_one_image_at_once_are_refused(fresh: dagger.Container) -> None:
    """A layer that is being packed is locked; asked one after the other both archives are written."""
    image = fresh.with_exec(["sh", "-c", "head -c 20000000 /dev/urandom > /big"])
    await image.sync()
    forms = (ImageLayerCompression.Zstd, ImageLayerCompression.Uncompressed)

    ended = await asyncio.gather(
        *(image.as_tarball(forced_compression=form).size() for form in forms), return_exceptions=True
    )

    [error] = [one for one in ended if isinstance(one, BaseException)]
    assert isinstance(error, dagger.QueryError)
    assert "failed to open writer: ref " in str(error)
    assert " locked" in str(error)
    sizes = [await image.as_tarball(forced_compression=form).size() for form in forms]
    assert min(sizes) > 20_000_000
