"""Read a layer as the tar that it is, packed or not, and count its bytes."""

from typing import IO, Any, Final

from layers.errors import ImageError

CHUNK: Final = 1 << 20


class Counted:
    """A stream that knows how many bytes were read from it."""

    def __init__(self, stream: IO[bytes], where: str, *damage: type[Exception]) -> None:
        self._stream, self._where, self._damage, self._count = stream, where, damage, 0

    def read(self, size: int) -> bytes:
        """Return the next bytes; ImageError for what cannot be unpacked."""
        try:
            found = self._stream.read(size)
        except self._damage as error:
            raise ImageError.of(f"{self._where}: {error}", expected="a whole layer") from error
        self._count += len(found)
        return found

    def rest(self) -> int:
        """Read to the end, and return the size of all."""
        while self.read(CHUNK):
            pass
        return self._count


def unpacked(blob: IO[bytes], descriptor: dict[str, Any], where: str) -> Counted:
    """Return the uncompressed tar of a layer.

    Raises:
        ImageError: its compression cannot be undone here; `where` names it.

    """
    kind = descriptor["mediaType"].rpartition("+")[2]
    if kind == "zstd":
        try:
            import zstandard  # noqa: PLC0415 - only where archives are too large to be had unpacked
        except ImportError as error:
            raise ImageError.of(f"{where} is zstd", expected="uncompressed layers") from error
        stream = zstandard.ZstdDecompressor().stream_reader(blob, read_across_frames=True)
        return Counted(stream, where, zstandard.ZstdError)
    if kind == "gzip":
        raise ImageError.of(f"{where} is gzip", expected="uncompressed layers")
    return Counted(blob, where)
