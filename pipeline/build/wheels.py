"""Stage 3 of 8: the pins of one variant in, a checked directory of wheels out."""

import json
from dataclasses import dataclass
from typing import Any, Final

import dagger
from packaging.utils import canonicalize_name

from pipeline.build.lock import Lock
from pipeline.compat import without_engine
from pipeline.config_tables import ServiceConfig
from pipeline.containers import EPOCH, Builder

DOWNLOAD: Final = (
    *("python3", "/programs/download_wheels.py", "--requirements", "/in/requirements.txt", "--out", "/out"),
)
COMPILE: Final = ("python3", "/programs/compile_wheels.py", "/in/sources.txt", "/out", "/in/builds.json")
CHECK: Final = ("python3", "/programs/check_wheels.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """What pins without a wheel are compiled with."""

    packages: tuple[str, ...] = ()
    """Debian packages, each once."""
    builds: dict[str, dict[str, Any]]
    """Normalised name of what is compiled in any case -> `env` and `config_settings`."""


def compilation_of(service: ServiceConfig, lock: Lock, packages: tuple[str, ...]) -> Compilation:
    """Return how the pins of a lock are compiled: a variant's packages, and the tables of their own."""
    pinned = {pin.name for pin in lock.pins}
    declared = {str(canonicalize_name(name)): table for name, table in service.build.items()}
    tables = {name: table for name, table in declared.items() if name in pinned}
    more = (package for table in tables.values() for package in table.packages)
    return Compilation(
        packages=tuple(dict.fromkeys((*packages, *more))),
        builds={name: table.model_dump(include={"env", "config_settings"}) for name, table in tables.items()},
    )


async def wheel_directory(builder: Builder, lock: Lock, compilation: Compilation) -> dagger.Directory:
    """Return exactly the wheels of the pins, hash-checked, none of them hostile.

    Wheels of the index are downloaded in the slim base. Only pins that have no wheel for this
    Python, or a table of their own in [tool.wheelhouse.build], reach a container with compilers and the
    -dev packages that the service names.

    Raises:
        dagger.ExecError: a hash differs, a pin does not exist, a wheel is hostile, or a source
            distribution does not compile; stderr names it.

    """
    downloaded = (
        builder.online(builder.tools("download_wheels.py", "check_wheels.py"))
        .with_new_file("/in/requirements.txt", lock.downloads)
        .with_exec([*DOWNLOAD, *(word for name in compilation.builds for word in ("--compile", name))])
    )
    if sources := await downloaded.file("/out/sources.txt").contents():
        wheels = downloaded.directory("/out/wheels")
        wheels = wheels.with_directory("/", _compiled(builder, sources, compilation))
        downloaded = builder.tools("check_wheels.py").with_mounted_directory("/out/wheels", wheels)
    # Once no hostile one is among them and they need no other.
    return downloaded.with_exec([*CHECK, "/out/wheels"]).directory("/out/wheels")


def _compiled(builder: Builder, sources: str, compilation: Compilation) -> dagger.Directory:
    return (
        builder.online(builder.compiler(compilation.packages, "compile_wheels.py"))
        .with_env_variable("SOURCE_DATE_EPOCH", str(EPOCH))
        .with_new_file("/in/sources.txt", sources)
        .with_new_file("/in/builds.json", json.dumps(compilation.builds, sort_keys=True))
        .with_exec([*COMPILE], **without_engine())
        .directory("/out")
    )
