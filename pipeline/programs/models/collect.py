"""Ask sources in order until every wanted file is here with the right bytes."""

import fcntl
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.atomic_copy import sha256_of
from models.errors import ModelError, SourceError, UnsafeFile
from models.safety import require_safe_content, require_safe_name
from models.sources.interface import FetchContext, Source, Wanted


@dataclass(frozen=True, slots=True)
class Collected:
    """Checked files of one model."""

    files: dict[str, Path]
    """Path inside the model -> local file."""
    served_by: tuple[str, ...]
    """Sources that gave something, in order; empty when all was in the cache."""


def collect(sources: Sequence[Source], wanted: Sequence[Wanted], desk: FetchContext) -> Collected:
    """Return every wanted file, checked; optional ones may be absent.

    Raises:
        ModelError: no source has the bytes; names every source tried and why it failed.
        UnsafeFile: a wanted name is of a kind that may carry code.

    """
    for item in wanted:
        require_safe_name(item.path)
    with _alone(desk):
        found = {item.path: path for item in wanted if (path := _cached(item, desk))}
        missing = [item for item in wanted if item.path not in found]
        if not missing:
            return Collected(found, ())
        _require_space(missing, desk)
        return _ask(sources, missing, desk, found)


def _ask(
    sources: Sequence[Source], missing: list[Wanted], desk: FetchContext, found: dict[str, Path]
) -> Collected:
    failures: list[str] = []
    served: list[str] = []
    for source in sources:
        try:
            brought = _bring(source, missing, desk)
        except (SourceError, UnsafeFile) as error:
            failures.append(f"  - {source.uri}: {error}")
            print(f"{desk.model}: {source.uri}: {error}", file=sys.stderr)
            continue
        served.append(source.uri)
        return Collected(found | brought, tuple(served))
    reasons = "\n".join(failures)
    raise ModelError(
        f"model {desk.model}: no source gives the expected bytes of "
        f"{', '.join(item.path for item in missing)}:\n{reasons}"
    )


def _bring(source: Source, missing: Sequence[Wanted], desk: FetchContext) -> dict[str, Path]:
    """Fetch from one source and check; a file continued from an older run gets a second chance."""
    continued = {item.path for item in missing if desk.partial(source.uri, item).exists()}
    brought = source.fetch(missing, desk)
    wrong: list[Wanted] = []
    for item in missing:
        if item.path not in brought:
            continue
        reason = _mismatch(item, brought[item.path])
        if reason is None:
            brought[item.path] = _keep(item, brought[item.path], desk)
            continue
        brought[item.path].unlink()
        if item.path not in continued:
            raise SourceError(f"{item.path}: {reason}")
        wrong.append(item)
    return brought | _bring(source, wrong, desk) if wrong else brought


def _mismatch(item: Wanted, path: Path) -> str | None:
    size = path.stat().st_size
    if item.size_bytes not in (None, size):
        return f"{size} bytes, expected {item.size_bytes}"
    found = sha256_of(path)
    return f"sha256 {found}, expected {item.sha256}" if item.sha256 not in (None, found) else None


def _keep(item: Wanted, path: Path, desk: FetchContext) -> Path:
    try:
        require_safe_content(path, item.path)
    except UnsafeFile:
        path.unlink()
        raise
    kept = desk.scratch / "blobs" / sha256_of(path)
    kept.parent.mkdir(exist_ok=True)
    return path.replace(kept)


def _cached(item: Wanted, desk: FetchContext) -> Path | None:
    if item.sha256 is None:
        return None
    path = desk.scratch / "blobs" / item.sha256
    if not path.exists():
        return None
    if _mismatch(item, path):
        path.unlink()
        return None
    require_safe_content(path, item.path)
    return path


def _require_space(missing: Sequence[Wanted], desk: FetchContext) -> None:
    need = sum(item.size_bytes or 0 for item in missing)
    free = shutil.disk_usage(desk.scratch).free
    if free < need:
        raise ModelError(
            f"model {desk.model} needs {need / 1e6:.0f} MB in {desk.scratch}, "
            f"which has {free / 1e6:.0f} MB free. Free space and run again."
        )


@contextmanager
def _alone(desk: FetchContext) -> Iterator[None]:
    """Hold the model's lock, so that two runs share one download; it dies with the process."""
    desk.scratch.mkdir(parents=True, exist_ok=True)
    with (desk.scratch / f".{desk.model}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
