"""Download a file for `Query.http`: checked, cached by its checksum or its validators."""

import asyncio
import hashlib
import shutil
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPResponse
from pathlib import Path
from typing import Final, cast

from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.states import FileState, SecretState, ServiceState

TIMEOUT_S: Final = 60
PORTS: Final = {"http": 80, "https": 443}
PIECE_BYTES: Final = 1 << 20


async def file(engine: Engine, op: Op) -> FileState:
    """Return the file behind a URL; raises EngineError for an answer or a checksum that is not expected."""
    url, checksum = op.args["url"], op.args.get("checksum") or ""
    path = urllib.parse.urlsplit(url).path
    name = op.args.get("name") or path.rpartition("/")[2] or "index"
    mode = op.args.get("permissions") or 0o600
    headers = {"Host": urllib.parse.urlsplit(url).netloc}
    if op.args.get("authHeader"):
        secret: SecretState = await engine.evaluate(op.args["authHeader"])
        headers["Authorization"] = await engine.secrets.plaintext(secret)
    key = digest_of("http", url, name, mode, checksum) if checksum else ""
    if not key or not engine.store.has_tree(key):
        with engine.store.scratch(engine.session) as scratch:
            async with engine.step(digest_of("http", url), f"http {url}"):
                held = scratch / "body"
                found = await asyncio.to_thread(_fetch, url, headers, held, await _place_of(engine, op, url))
                if checksum and found != checksum:
                    raise EngineError(f"{url}: found {found}, expected {checksum}")
                key = key or digest_of("http", name, mode, found)
                await engine.tree(key, lambda made: _place(held, made / name, mode))
    return FileState(await engine.tree(key, lambda _: None), f"/{name}")


async def _place_of(engine: Engine, op: Op, url: str) -> str:
    """Return the URL that is really asked: another host and port when a service answers for them."""
    if not op.args.get("experimentalServiceHost"):
        return url
    service: ServiceState = await engine.evaluate(op.args["experimentalServiceHost"])
    parts = urllib.parse.urlsplit(url)
    place = await engine.services.reach(engine, service, parts.port or PORTS.get(parts.scheme, 80))
    return parts._replace(netloc=place).geturl()


def _fetch(url: str, headers: dict[str, str], target: Path, place: str) -> str:
    """Write the body to a file and return `sha256:…`."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise EngineError(f"{url}: expected an http or https URL")
    request = urllib.request.Request(place, headers=headers)  # noqa: S310
    digest = hashlib.sha256()
    try:
        with (
            cast("HTTPResponse", urllib.request.urlopen(request, timeout=TIMEOUT_S)) as answer,  # noqa: S310
            target.open("wb") as held,
        ):
            while piece := answer.read(PIECE_BYTES):
                digest.update(piece)
                held.write(piece)
    except urllib.error.HTTPError as error:
        raise EngineError(f"invalid response status {error.code} {error.reason}: {url}") from None
    except OSError as error:
        raise EngineError(f"{url}: {getattr(error, 'reason', error)}") from None
    return f"sha256:{digest.hexdigest()}"


def _place(held: Path, target: Path, mode: int) -> None:
    shutil.copyfile(held, target)
    target.chmod(mode)
