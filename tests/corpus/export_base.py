"""Write the builder's base image, with the packages that pruning and assembling need, and its tools."""

import sys

import anyio
import dagger
from dagger import dag

from pipeline import containers as rooms
from pipeline.build.rootfs import INIT
from pipeline.containers import Builder

IMAGE = "python:3.13-slim"


async def main(folder: str) -> None:
    """Export to FOLDER/base and FOLDER/tools."""
    # Only a function of a module has a module's source.
    vars(rooms)["programs"] = lambda: dag.host().directory(str(rooms.PROGRAMS))
    async with dagger.connection():
        builder = Builder(image=IMAGE)
        await builder.with_debian_packages("binutils", INIT).rootfs().export(f"{folder}/base")
        await builder.installed_tools().export(f"{folder}/tools")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
