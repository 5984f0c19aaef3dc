"""A stand-in for an official image, made for real: what Debian has, and nothing of this machine."""

import socket
import subprocess
from pathlib import Path

import pytest

from ports import SILENT
from wheelhouse_engine.bases import BaseImages
from wheelhouse_engine.layers import Storage
from wheelhouse_engine.registry import Registry
from wheelhouse_engine.runner import ProcessRunner


@pytest.mark.engine
@pytest.mark.slow
async def test_a_real_stand_in_is_clean_reproducible_and_works(storage: Storage, tmp_path: Path) -> None:
    """Two real builds have the same digest; nothing of this machine is inside, and python works.

    The image with Python is the one to look at: what `debian:…-slim` gets is a part of it.
    """
    runner = ProcessRunner()
    images = []
    for number in range(2):
        session = BaseImages(runner, storage, Registry(runner, storage, SILENT), tmp_path / str(number))
        images.append(await session.resolve("python:3.13-slim"))
    options = storage.options
    working = (await runner.run(["buildah", *options, "from", images[0].image_id])).text
    root = Path((await runner.run(["buildah", *options, "mount", working])).text)
    try:
        assert images[0].digest == images[1].digest
        assert_clean(root)
        assert_python(root)
    finally:
        await runner.run(["buildah", *options, "rm", working])


def assert_clean(root: Path) -> None:
    """Refuse caches, logs, names and certificates of the machine that built the root."""
    assert not [
        path for path in (root / "var/lib/apt/lists").rglob("*") if path.is_file() and path.stat().st_size
    ]
    assert not list((root / "var/cache/apt").rglob("*.deb"))
    assert not [path for path in (root / "var/log").rglob("*") if path.is_file() and path.stat().st_size]
    assert not (root / "etc/resolv.conf").exists()
    assert (
        not (root / "etc/hostname").exists()
        or socket.gethostname() not in (root / "etc/hostname").read_text()
    )
    assert not (root / "etc/machine-id").exists() or not (root / "etc/machine-id").read_text()
    assert "security" in (root / "etc/apt/sources.list").read_text()
    assert (root / "dev").is_dir()
    assert not list((root / "usr/share/man").rglob("*.gz"))
    assert not list((root / "usr/local/share/ca-certificates").iterdir())
    assert max(path.lstat().st_mtime for path in root.rglob("*")) <= 1735689600
    bundle = (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    for own in Path("/usr/local/share/ca-certificates").glob("*.crt"):
        assert own.read_text().strip() not in bundle


def assert_python(root: Path) -> None:
    """Expect what the official image has: python, pip, venv, no EXTERNALLY-MANAGED."""

    def inside(*command: str) -> str:
        return subprocess.run(["chroot", root, *command], check=True, capture_output=True, text=True).stdout

    assert inside("/usr/local/bin/python", "-c", "import ssl, sqlite3, lzma, venv; print('ok')") == "ok\n"
    assert inside("/usr/local/bin/pip", "--version").startswith("pip ")
    assert not list(root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"))
    assert not (root / "usr/bin/gcc").exists()
