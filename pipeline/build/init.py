"""Stage 1 of 8, for a project that declares nothing yet: its folder in, its pyproject.toml out."""

import sys
from typing import Final

import dagger

from pipeline.config import Config
from pipeline.containers import Builder, with_packages

REQUIREMENTS: Final = "init/requirements.txt"
FILE: Final = "pyproject.toml"


async def initial_config(
    builder: Builder, source: dagger.Directory, *, command: str, force: bool
) -> dagger.Directory:
    """Return pyproject.toml with `[project]` and `[tool.wheelhouse]`; print each guess and its reason.

    Args:
        builder: runs the program that reads the folder.
        source: the folder, with or without pyproject.toml.
        command: what starts the service; "" to find out.
        force: replace a `[tool.wheelhouse]` that exists.

    Raises:
        dagger.ExecError: both tables exist, or nothing tells what starts the service.
        ConfigError: the files contradict each other, e.g. requires-python and the Dockerfile.

    """
    arguments = ["--source", "/in/source", "--out", "/out", "--command", command, *(["--force"] * force)]
    made = (
        with_packages(builder, REQUIREMENTS, "init")
        .with_mounted_directory("/in/source", source)
        .with_exec(["python3", "-m", "init", *arguments])
        .directory("/out")
    )
    print(await made.file("guesses.txt").contents(), file=sys.stderr, end="")  # noqa: T201 - for the reader
    Config.parse(await made.file(FILE).contents())
    return made.filter(include=[FILE])
