"""Pass connections on: from a port of this machine to one of a service, and the other way."""

import asyncio
import contextlib
from typing import Any

from wheelhouse_engine.errors import EngineError


async def accepts(address: str, port: int) -> bool:
    """Say whether somebody listens on a port."""
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def forward(front: int, address: str, back: int, listen: str = "127.0.0.1") -> asyncio.Server:
    """Listen on an address of the host and pass connections on; raises EngineError for a port in use."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(address, back)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    try:
        return await asyncio.start_server(serve, listen, front)
    except OSError as error:
        raise EngineError(
            f"port {front} on {listen} cannot be used: {error.strerror}. "
            "Stop what listens there or choose another port (--ports FRONT:BACK)."
        ) from error


async def _pump(reader: asyncio.StreamReader, writer: Any) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
