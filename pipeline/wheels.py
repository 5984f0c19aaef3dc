"""Stage 3 of 8: the pins of one variant in, a checked directory of wheels out."""

from typing import Final

import dagger

from pipeline.builder import EPOCH, Builder, text_file
from pipeline.client import without_engine
from pipeline.lock import Lock

DOWNLOAD: Final = ("python3", "/programs/download_wheels.py")


async def wheel_directory(builder: Builder, lock: Lock, build_packages: tuple[str, ...]) -> dagger.Directory:
    """Return exactly the wheels of the pins, hash-checked, none of them hostile.

    Wheels of the index are downloaded in the slim base. Only pins that have no wheel for this
    Python reach a container with compilers and the -dev packages that the service names.

    Raises:
        dagger.ExecError: a hash differs, a pin does not exist, a wheel is hostile, or a source
            distribution does not compile; stderr names it.

    """
    downloaded = (
        builder.online(builder.tools("download_wheels.py"))
        .with_mounted_file("/in/requirements.txt", text_file("requirements.txt", lock.downloads))
        .with_exec([*DOWNLOAD, "--requirements", "/in/requirements.txt", "--out", "/out"])
    )
    wheels = downloaded.directory("/out/wheels")
    if sources := await downloaded.file("/out/sources.txt").contents():
        wheels = wheels.with_directory("/", _compiled(builder, sources, build_packages))
    return _checked(builder, wheels)


def _compiled(builder: Builder, sources: str, build_packages: tuple[str, ...]) -> dagger.Directory:
    return (
        builder.online(builder.compiler(build_packages, "compile_wheels.py"))
        .with_env_variable("SOURCE_DATE_EPOCH", str(EPOCH))
        .with_mounted_file("/in/sources.txt", text_file("sources.txt", sources))
        .with_exec(["python3", "/programs/compile_wheels.py", "/in/sources.txt", "/out"], **without_engine())
        .directory("/out")
    )


def _checked(builder: Builder, wheels: dagger.Directory) -> dagger.Directory:
    """Return the wheels once no hostile one is among them and they need no other."""
    return (
        builder.tools("check_wheels.py")
        .with_mounted_directory("/wheels", wheels)
        .with_exec(["python3", "/programs/check_wheels.py", "/wheels"])
        .directory("/wheels")
    )
