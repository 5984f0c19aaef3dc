"""Bring bytes over HTTP onto the disk: resumed after a cut, retried when it helps."""

import errno
import os
import random
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Final, TypeVar

import certifi
import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from models.errors import ModelError, SourceError
from models.progress import Meter

RETRY_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Answers that another try may change. 401, 403 and 404 are final."""
RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
BLOCK_BYTES: Final = 1 << 18
AGENT: Final = "wheelhouse-models"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
Answer = TypeVar("Answer")


class TransientError(SourceError):
    """A failure that another try may fix; `wait_s` is what the server asked for."""

    def __init__(self, message: str, *, wait_s: float = 0.0, reached: bool = True) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.reached = reached


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long one download may be troubled before it is given up."""

    tries: int = 6
    """Tries in a row that brought nothing new."""
    unreachable_tries: int = 2
    """Tries in a row that found no server at all: the next source is likelier to help."""
    base_s: float = 0.5
    """First back-off; doubled each time, then drawn at random between 0 and that (full jitter)."""
    longest_s: float = 30.0
    """Upper bound of one back-off, and of what Retry-After may ask."""
    connect_s: float = 10.0
    stall_s: float = 30.0
    """A server that sends nothing for so long has stalled."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask for."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    size_bytes: int | None = None
    """Exact size where it is known; a longer answer is cut off and refused."""
    limit_bytes: int = 20 * 10**9
    """Largest answer accepted when the size is not known."""
    inspect: Callable[[httpx.Response], None] | None = None
    """Looks at every response, redirects included, and raises SourceError for a wrong one."""
    explain: Callable[[httpx.Response], str] | None = None
    """Says what a 4xx means for this source and what to do."""


def http_client(patience: RetryPolicy) -> httpx.Client:
    """Return a client that trusts the system's certificates and certifi's.

    Where WHEELHOUSE_NEAR names a host, addresses on loopback mean that host: a server which only the
    caller's machine reaches has another name in here.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    near = os.environ.get("WHEELHOUSE_NEAR", "")

    def turn(request: httpx.Request) -> None:
        if near and request.url.host in LOOPBACK:
            request.url = request.url.copy_with(host=near)

    return httpx.Client(
        follow_redirects=True,
        timeout=httpx.Timeout(patience.stall_s, connect=patience.connect_s),
        verify=context,
        headers={"User-Agent": AGENT},
        event_hooks={"request": [turn]},
        # No proxy knows that name.
        mounts={f"all://{near}": None} if near else None,
    )


class Downloader:
    """Downloads for one run: one client, one meter, one patience."""

    def __init__(self, client: httpx.Client, meter: Meter, patience: RetryPolicy) -> None:
        self.meter = meter
        self._client = client
        self._patience = patience

    def text(self, request: Request) -> str:
        """Return a small text answer; SourceError after the last try."""
        return self._retrying(lambda: self._text(request), lambda: 0)

    def file(self, request: Request, target: Path) -> None:
        """Fill `target`, continuing after the bytes it already has.

        Raises:
            SourceError: after the last try, or at an answer that no further try changes.
            ModelError: the disk is full.

        """
        size = target.stat().st_size if target.exists() else 0
        self.meter.resumed(size)
        self._retrying(lambda: self._continue(request, target), lambda: _size(target))

    def _retrying(self, call: Callable[[], Answer], progress: Callable[[], int]) -> Answer:
        stop = _Stop(self._patience, progress)
        retrying = Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop,
            wait=self._wait,
            before_sleep=self._say,
            reraise=True,
        )
        return retrying(call)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait_s if isinstance(error, TransientError) else 0.0
        ceiling = min(self._patience.longest_s, self._patience.base_s * 2 ** (state.attempt_number - 1))
        return max(min(asked, self._patience.longest_s), random.uniform(0, ceiling))  # noqa: S311 - jitter, no secret

    def _say(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0.0
        self.meter.say(f"{error}; again in {pause:.1f} s")

    def _text(self, request: Request) -> str:
        with self._open(request, {}) as response:
            return response.read().decode("utf-8", "replace")

    def _continue(self, request: Request, target: Path) -> None:
        have = _size(target)
        if request.size_bytes is not None and have >= request.size_bytes:
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._open(request, headers) as response:
            start = _start(response, have)
            if start < have:
                self.meter.lost(have - start)
            limit = request.size_bytes if request.size_bytes is not None else request.limit_bytes
            with _disk_errors(target), target.open("r+b" if start else "wb") as opened:
                opened.seek(start)
                opened.truncate()
                self._receive(response, opened, limit)
        if request.size_bytes is not None and _size(target) < request.size_bytes:
            raise TransientError(f"the answer ended after {_size(target)} of {request.size_bytes} bytes")

    def _receive(self, response: httpx.Response, opened: IO[bytes], limit: int) -> None:
        for block in response.iter_raw(BLOCK_BYTES):
            if opened.tell() + len(block) > limit:
                opened.truncate(0)
                raise SourceError(f"more than the expected {limit} bytes")
            opened.write(block)
            self.meter.received(len(block))

    @contextmanager
    def _open(self, request: Request, headers: dict[str, str]) -> Iterator[httpx.Response]:
        everything = {**request.headers, **headers, "Accept-Encoding": "identity"}
        try:
            with self._client.stream("GET", request.url, headers=everything) as response:
                for step in (*response.history, response):
                    if request.inspect:
                        request.inspect(step)
                _require_success(response, request)
                yield response
        except httpx.ConnectError as error:
            raise TransientError(f"no connection: {error}", reached=False) from error
        except httpx.ConnectTimeout as error:
            raise TransientError("no connection in time", reached=False) from error
        except httpx.TimeoutException as error:
            raise TransientError(f"stalled for {self._patience.stall_s:g} s") from error
        except httpx.TransportError as error:
            raise TransientError(f"cut: {error}") from error
        except httpx.InvalidURL as error:
            raise SourceError(f"not a URL: {error}") from error


class _Stop:
    """Stop when tries in a row brought no new bytes."""

    def __init__(self, patience: RetryPolicy, progress: Callable[[], int]) -> None:
        self._patience = patience
        self._progress = progress
        self._best = progress()
        self._fruitless = 0

    def __call__(self, state: RetryCallState) -> bool:
        now = self._progress()
        self._fruitless = 1 if now >= self._best + BLOCK_BYTES else self._fruitless + 1
        self._best = max(self._best, now)
        error = state.outcome.exception() if state.outcome else None
        reached = not isinstance(error, TransientError) or error.reached
        return self._fruitless >= (self._patience.tries if reached else self._patience.unreachable_tries)


def _require_success(response: httpx.Response, request: Request) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    if status == 416:  # noqa: PLR2004 - the range begins beyond the end: what is there is too long
        raise SourceError("the partial file is longer than the server's; remove it from --cache")
    if status in RETRY_STATUSES:
        raise TransientError(f"HTTP {status}", wait_s=_retry_after(response))
    meaning = request.explain(response) if request.explain else ""
    raise SourceError(f"HTTP {status}{': ' if meaning else ''}{meaning}")


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _start(response: httpx.Response, have: int) -> int:
    if response.status_code == 200:  # noqa: PLR2004 - the server ignores ranges
        return 0
    found = RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not found or int(found[1]) != have:
        raise SourceError(f"asked for bytes from {have}, found {response.headers.get('Content-Range')!r}")
    return have


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = os.statvfs(target.parent).f_bavail * os.statvfs(target.parent).f_frsize
        raise ModelError(
            f"the disk that holds {target.parent} is full: {free / 1e6:.0f} MB free. "
            "Free space and run again; what was downloaded is kept and continued."
        ) from error
