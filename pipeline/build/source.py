"""Stage 1 of 8: the service's folder in, only what the image may contain out."""

import json
import sys
from dataclasses import dataclass, field
from typing import Final

import dagger

from pipeline.build.project_metadata import script_files
from pipeline.config import Config
from pipeline.config_errors import TABLE, place
from pipeline.containers import Builder
from pipeline.errors import ConfigError, near_miss

SELECT: Final = ("python3", "/programs/select_source.py", "--source", "/in/source", "--out", "/out")
PROGRAMS: Final = ("git_index.py", "ignore_rules.py", "private_keys.py", "select_source.py", "shell_uses.py")


async def application(builder: Builder, source: dagger.Directory, config: Config) -> dagger.Directory:
    """Return the packages of the service, each under its last name: `src/rag` becomes `rag`.

    Files that git does not track stay out, where the source is the root of a repository; so does what
    .gitignore or .dockerignore matches. Private keys and the like never enter. Each thing left out is one
    line on stderr, with the key that brings it in. The project's own metadata and its console scripts are
    added.
    """
    selected = (
        builder.tools(*PROGRAMS)
        .with_mounted_directory("/in/source", source)
        .with_new_file("/in/wanted.json", _wanted(config))
        .with_exec([*SELECT, "--wanted", "/in/wanted.json"])
        .directory("/out")
    )
    if lines := await selected.file("report.txt").contents():
        print(lines, file=sys.stderr, end="")  # noqa: T201 - the result stays on stdout
    return selected.directory("app")


def _wanted(config: Config) -> str:
    service = config.service
    return json.dumps(
        {
            "packages": service.packages,
            "include": service.include,
            "tests": service.tests or "",
            "shell": service.shell,
            "command": service.command[0],
            "files": script_files(config.project, service),
        },
        sort_keys=True,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceFiles:
    """The files of a service's folder, each read once."""

    root: dagger.Directory
    _entries: dict[str, list[str]] = field(default_factory=dict, init=False)
    _texts: dict[str, str | None] = field(default_factory=dict, init=False)

    async def entries(self, folder: str = "") -> list[str]:
        """Return the names in a folder; those of folders end with "/"."""
        if folder not in self._entries:
            place = self.root.directory(folder) if folder else self.root
            self._entries[folder] = await place.entries()
        return self._entries[folder]

    async def text(self, path: str) -> str | None:
        """Return the contents of a file, or None where there is none."""
        if path not in self._texts:
            self._texts[path] = await self._read(path)
        return self._texts[path]

    async def _read(self, path: str) -> str | None:
        parent, _, name = path.rpartition("/")
        if parent and f"{parent.partition('/')[0]}/" not in await self.entries():
            return None
        if name not in await self.entries(parent):
            return None
        return await self.root.file(path).contents()


async def require_paths(files: SourceFiles, config: Config) -> None:
    """Check that the folders and files that the configuration names exist.

    Raises:
        ConfigError: at least one does not; all are listed.

    """
    service = config.service
    named = [*(("packages", path) for path in service.packages)]
    named += [("tests", service.tests)] if service.tests else []
    top = {name.rstrip("/") for name in await files.entries()}
    text = await files.text("pyproject.toml") or ""
    wrong = []
    for key, path in named:
        first, _, rest = path.rstrip("/").removeprefix("./").partition("/")
        if first not in top:
            near = near_miss(first, top)
        elif rest and not await files.root.exists(path):
            near = ""
        else:
            continue
        wrong.append(
            f"{place(text, TABLE, key)}[{TABLE}] {key} names {path!r}, which the source does not have{near}; "
            f"expected a folder or file of it. Fix {key}."
        )
    if wrong:
        raise ConfigError("\n".join(wrong))
