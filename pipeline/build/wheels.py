"""Stage 3 of 8: the pins of one variant in, a checked directory of wheels out."""

from typing import Final

import dagger

from pipeline.build.lock import Lock
from pipeline.compat import without_engine
from pipeline.containers import EPOCH, Builder

DOWNLOAD: Final = ("python3", "/programs/download_wheels.py")
CHECK: Final = ("python3", "/programs/check_wheels.py")


async def wheel_directory(builder: Builder, lock: Lock, build_packages: tuple[str, ...]) -> dagger.Directory:
    """Return exactly the wheels of the pins, hash-checked, none of them hostile.

    Wheels of the index are downloaded in the slim base. Only pins that have no wheel for this
    Python reach a container with compilers and the -dev packages that the service names.

    Raises:
        dagger.ExecError: a hash differs, a pin does not exist, a wheel is hostile, or a source
            distribution does not compile; stderr names it.

    """
    downloaded = (
        builder.online(builder.tools("download_wheels.py", "check_wheels.py"))
        .with_new_file("/in/requirements.txt", lock.downloads)
        .with_exec([*DOWNLOAD, "--requirements", "/in/requirements.txt", "--out", "/out"])
    )
    if sources := await downloaded.file("/out/sources.txt").contents():
        wheels = downloaded.directory("/out/wheels")
        wheels = wheels.with_directory("/", _compiled(builder, sources, build_packages))
        downloaded = builder.tools("check_wheels.py").with_mounted_directory("/out/wheels", wheels)
    # Once no hostile one is among them and they need no other.
    return downloaded.with_exec([*CHECK, "/out/wheels"]).directory("/out/wheels")


def _compiled(builder: Builder, sources: str, build_packages: tuple[str, ...]) -> dagger.Directory:
    return (
        builder.online(builder.compiler(build_packages, "compile_wheels.py"))
        .with_env_variable("SOURCE_DATE_EPOCH", str(EPOCH))
        .with_new_file("/in/sources.txt", sources)
        .with_exec(["python3", "/programs/compile_wheels.py", "/in/sources.txt", "/out"], **without_engine())
        .directory("/out")
    )
