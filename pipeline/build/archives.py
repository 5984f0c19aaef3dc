"""Archives of images, written one after the other."""

from typing import Final

import anyio
import dagger
from dagger import ImageLayerCompression

TRIES: Final = 5
WAIT_S: Final = 0.5
"""Before the second try; doubled for each further one."""
LOCKED: Final = "locked"
_turn = anyio.Lock()


async def archive(image: dagger.Container, compression: ImageLayerCompression | None = None) -> dagger.File:
    """Return the OCI archive of an image once it is written.

    A Dagger engine locks a layer while it packs it and fails a second archive that needs the layer at the
    same time: `failed to open writer: ref … locked` (0.21.8 and 1.0.0-beta.10, two of three tries). This
    process therefore asks for one archive at a time, and again when another session holds a layer.

    Args:
        image: the container.
        compression: of its layers; None: the engine's default.

    Raises:
        dagger.QueryError: the image cannot be evaluated, or a layer stayed locked.

    """
    async with _turn:
        for attempt in range(TRIES):
            try:
                return await image.as_tarball(forced_compression=compression).sync()
            except dagger.QueryError as error:
                if isinstance(error, dagger.ExecError) or LOCKED not in str(error) or attempt == TRIES - 1:
                    raise
                await anyio.sleep(WAIT_S * 2**attempt)
    raise AssertionError("unreachable: the last try returns or raises")


async def raw_archive(image: dagger.Container) -> dagger.File:
    """Return the archive of an image with layers as they are."""
    return await archive(image, ImageLayerCompression.Uncompressed)


async def packed_archive(image: dagger.Container) -> dagger.File:
    """Return the archive of an image with zstd layers."""
    return await archive(image, ImageLayerCompression.Zstd)
