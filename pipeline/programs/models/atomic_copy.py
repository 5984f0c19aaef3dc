"""Write finished files where the next stage reads them, whole or not at all."""

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

FILE_MODE: Final = 0o644
DIRECTORY_MODE: Final = 0o755
BLOCK_BYTES: Final = 1 << 20


def publish(stage: Path, out: Path) -> None:
    """Copy a finished directory into `out`, each file complete before it has its name, or nothing.

    Modes are 0644 and 0755 whatever the umask; relative symbolic links stay links.
    """
    out.mkdir(parents=True, exist_ok=True)
    out.chmod(DIRECTORY_MODE)
    written: list[Path] = []
    try:
        for source in sorted(stage.rglob("*")):
            written.append(out / source.relative_to(stage))
            _place(source, written[-1])
    except OSError:
        for target in reversed(written):
            _remove(target)
        raise


def _place(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.unlink(missing_ok=True)
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir(exist_ok=True)
        target.chmod(DIRECTORY_MODE)
    else:
        copy_file(source, target)


def _remove(target: Path) -> None:
    _partial(target).unlink(missing_ok=True)
    if target.is_dir() and not target.is_symlink():
        with suppress(OSError):  # a folder that was there before may hold other files
            target.rmdir()
    else:
        target.unlink(missing_ok=True)


def copy_file(source: Path, target: Path) -> None:
    """Copy through a temporary name, flush to disk, then rename."""
    partial = _partial(target)
    shutil.copyfile(source, partial)
    partial.chmod(FILE_MODE)
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(target)


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object in the order given, ending with a newline."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def file_entry(path: Path) -> dict[str, Any]:
    """Return a file's sha256 and size_bytes."""
    return {"sha256": sha256_of(path), "size_bytes": path.stat().st_size}


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while block := opened.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
