"""Stage 1 of 8: the service's folder in, only what the image may contain out."""

import json
import sys
from typing import Final

import dagger

from pipeline.builder import Builder, text_file
from pipeline.config import Config
from pipeline.config_errors import TABLE, place
from pipeline.errors import ConfigError, near_miss
from pipeline.scripts import script_files

SELECT: Final = ("python3", "/programs/select_source.py", "--source", "/in/source", "--out", "/out")
PROGRAMS: Final = ("ignore_rules.py", "private_keys.py", "select_source.py", "shell_uses.py")


async def application(builder: Builder, source: dagger.Directory, config: Config) -> dagger.Directory:
    """Return the packages of the service, each under its last name: `src/rag` becomes `rag`.

    What git, .gitignore or .dockerignore leaves out stays out; private keys and the like always do. Each
    thing left out is one line on stderr, with the key that brings it in. The project's own metadata and
    its console scripts come along.
    """
    selected = (
        builder.tools(*PROGRAMS)
        .with_mounted_directory("/in/source", source)
        .with_mounted_file("/in/wanted.json", text_file("wanted.json", _wanted(config)))
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


async def require_paths(source: dagger.Directory, config: Config) -> None:
    """Check that the folders and files that the configuration names exist.

    Raises:
        ConfigError: at least one does not; all are listed.

    """
    service = config.service
    named = [*(("packages", path) for path in service.packages)]
    named += [("tests", service.tests)] if service.tests else []
    top = {name.rstrip("/") for name in await source.entries()}
    text = await source.file("pyproject.toml").contents()
    wrong = []
    for key, path in named:
        first, _, rest = path.rstrip("/").removeprefix("./").partition("/")
        if first not in top:
            near = near_miss(first, top)
        elif rest and not await source.exists(path):
            near = ""
        else:
            continue
        wrong.append(
            f"{place(text, TABLE, key)}[{TABLE}] {key} names {path!r}, which the source does not have{near}; "
            f"expected a folder or file of it. Fix {key}."
        )
    if wrong:
        raise ConfigError("\n".join(wrong))


async def text(source: dagger.Directory, path: str) -> str | None:
    """Return the contents of a file of the source, or None where there is none."""
    parent, _, name = path.rpartition("/")
    folder = source.directory(parent) if parent else source
    if parent and f"{parent.partition('/')[0]}/" not in await source.entries():
        return None
    return await folder.file(name).contents() if name in await folder.entries() else None
