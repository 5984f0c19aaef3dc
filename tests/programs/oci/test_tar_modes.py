"""One digest for one tree, whichever engine wrote the tar headers."""

import io
import json
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from oci.compression import Compression, unpacked
from oci.content import Layout, digest_of
from oci.normalise import Form, normalise
from oci.tar_modes import ModeMask

from tests.programs.oci.conftest import archive_of

Kind = Literal[1, 2]
"""GNU's or POSIX' (PAX) format of tar."""
TYPES = {
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.LNKTYPE: stat.S_IFREG,
}
LONG = "d/" + 120 * "n"
"""Too long for a header: an extended one comes before it."""


def tree(*, type_bits: bool, kind: Kind = 2) -> bytes:
    """Return the tar of one tree with headers as buildah (type bits) or as Dagger writes them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as tar:
        for name, sort, mode, content in (
            ("d", tarfile.DIRTYPE, 0o1755, b""),
            ("d/setuid", tarfile.REGTYPE, 0o4755, b"x" * 700),
            (LONG, tarfile.REGTYPE, 0o600, b"y" * 512),
            ("d/empty", tarfile.REGTYPE, 0o644, b""),
            ("d/link", tarfile.SYMTYPE, 0o777, b""),
            ("d/hard", tarfile.LNKTYPE, 0o644, b""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = sort, len(content), "d/empty"
            entry.mode = mode
            header = entry.tobuf(kind, "utf-8", "surrogateescape")
            if type_bits:
                header = header[:-512] + with_type(header[-512:], TYPES[sort])
            buffer.write(header + content + bytes(-len(content) % 512))
        tar.offset = buffer.tell()
    return buffer.getvalue()


def with_type(header: bytes, bits: int) -> bytes:
    """Return a header with file type bits in its mode field, as Go's writer prints it."""
    changed = bytearray(header)
    changed[100:108] = b"%07o\0" % (int(header[100:107], 8) | bits)
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


@pytest.mark.parametrize("compression", list(Compression))
def test_archives_of_both_engines_get_one_digest(tmp_path: Path, compression: Compression) -> None:
    """An archive with Dagger's headers (0o755) and one with buildah's (0o40755) get the same digest."""
    pytest.importorskip("zstandard")
    digests = set()
    for name, layer in (("dagger", tree(type_bits=False)), ("buildah", tree(type_bits=True))):
        archive = tmp_path / f"{name}.tar"
        archive.write_bytes(archive_of([layer], pack=name == "dagger"))
        made = normalise(archive, tmp_path / name, Form(1, compression), tmp_path / f"cache-{name}")
        digests.add(made.digest)
        layout = Layout(tmp_path / name)
        config = json.loads(layout.path(made.document["config"]["digest"]).read_bytes())
        with unpacked(layout.path(made.document["layers"][0]["digest"])) as stream:
            assert digest_of(stream.read()) == config["rootfs"]["diff_ids"][0]
        # Once more, from what the first run left in its cache.
        again = normalise(archive, tmp_path / "again", Form(1, compression), tmp_path / f"cache-{name}")
        digests.add(again.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("step", [1, 100, 511, 512, 513, 1 << 20])
@pytest.mark.parametrize("kind", [1, 2])
def test_blocks_of_any_length_are_rewritten(step: int, kind: Kind) -> None:
    """The result does not depend on how the stream is cut, and every entry keeps its name and content."""
    mask, layer = ModeMask(), tree(type_bits=True, kind=kind)
    parts = [mask.feed(layer[place : place + step]) for place in range(0, len(layer), step)]
    made = b"".join(parts) + mask.flush()
    assert made == tree(type_bits=False, kind=kind)
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        assert [(entry.name, entry.mode) for entry in tar] == [
            ("d", 0o1755),
            ("d/setuid", 0o4755),
            (LONG, 0o600),
            ("d/empty", 0o644),
            ("d/link", 0o777),
            ("d/hard", 0o644),
        ]


def test_a_size_in_an_extended_header_counts() -> None:
    """A file whose size stands in the extended header alone keeps its content as it is."""
    content = with_type(tree(type_bits=False)[:512], stat.S_IFDIR) * 3
    record = b"%d size=%d\n" % (len("13 size=1536\n"), len(content))
    extended = tarfile.TarInfo("pax")
    extended.type, extended.size = tarfile.XHDTYPE, len(record)
    entry = tarfile.TarInfo("big")
    layer = (
        extended.tobuf(tarfile.USTAR_FORMAT)
        + record.ljust(512, b"\0")
        + with_type(entry.tobuf(tarfile.USTAR_FORMAT), stat.S_IFREG)
        + content
        + bytes(1024)
    )
    mask = ModeMask()
    made = mask.feed(layer) + mask.flush()
    assert made[1024:1536] == entry.tobuf(tarfile.USTAR_FORMAT)
    assert made[1536:] == layer[1536:]


def test_what_is_not_a_tar_is_passed_on(make_archive: Callable[..., Path], tmp_path: Path) -> None:
    """A stream that ends in the middle of a header keeps its last bytes."""
    mask = ModeMask()
    assert mask.feed(b"short") + mask.flush() == b"short"
    assert normalise(make_archive(b"a"), tmp_path / "out", Form(1)).document["layers"]
