"""Stage 5a of 8: the base image and an environment in, the smallest root that runs it out."""

from typing import Final

import dagger

from pipeline.config import VariantConfig
from pipeline.containers import Builder, program_files
from pipeline.variants import Base

SITE: Final = "/opt/venv"
PROGRAMS: Final = (
    "assemble_rootfs.py",
    "bytecode.py",
    "dpkg.py",
    "elf.py",
    "imports.py",
    "lib",
    "os_packages.py",
    "rootfs_files.py",
    "rootfs_rules.py",
    "site_files.py",
    "stdlib_needs.py",
    "tree_times.py",
)
INIT: Final = "tini"
"""Debian package of the process that reaps what the service leaves behind: Python as PID 1 does not."""
ASSEMBLE: Final = ("python3", "/programs/assemble_rootfs.py", "--out", "/out")


async def base_image(
    builder: Builder, venv: dagger.Directory, declared: VariantConfig, base: Base, *, shell: bool = False
) -> dagger.Container:
    """Return what an environment runs on: interpreter, standard library, OS libraries, declared programs.

    Args:
        builder: has the base image and installs packages.
        venv: the environment.
        declared: the variant.
        base: the smallest root, or all of the base image.
        shell: whether the smallest root has /bin/sh.

    Raises:
        dagger.ExecError: a shared library is neither in the base nor in the builder; stderr names
            the wheel, the library and the Debian package that is likely to have it.

    """
    if base is Base.SMALL:
        return await _small_root(builder, venv, declared, shell=shell)
    whole = await _whole_root(builder, declared)
    return await _with_libraries(whole, await _libraries(builder, venv, declared, whole.rootfs()))


async def _whole_root(builder: Builder, declared: VariantConfig) -> dagger.Container:
    """Return the base as it is, and above it in one layer what installing init and `os_packages` added."""
    installed = builder.with_debian_packages(INIT, *declared.os_packages)
    added = builder.base().rootfs().diff(installed.rootfs())
    layer = (
        builder.base()
        .with_mounted_directory("/programs", program_files("tree_times.py"))
        .with_mounted_directory("/in", added)
        .with_exec(["python3", "/programs/tree_times.py", "/in", "/out"])
        .directory("/out")
    )
    return builder.base().with_directory("/", layer)


async def _small_root(
    builder: Builder, venv: dagger.Directory, declared: VariantConfig, *, shell: bool
) -> dagger.Container:
    """Return the smallest root: interpreter and init below, what the wheels and `os_packages` need above.

    The lower layer is equal for all services of one Python.
    """
    keep = [word for rule in declared.keep for word in ("--keep", rule)]
    tools = builder.tools(*PROGRAMS, packages=(INIT,))
    bottom = await tools.with_exec([*ASSEMBLE, "--package", INIT, *keep]).directory("/out/rootfs").sync()
    more = ("--shell",) if shell else ()
    libraries = await _libraries(builder, venv, declared, bottom, *more)
    return await _with_libraries(builder.empty().with_directory("/", bottom), libraries)


async def _with_libraries(image: dagger.Container, libraries: dagger.Directory) -> dagger.Container:
    return image.with_directory("/", libraries) if await libraries.entries() else image


async def _libraries(
    builder: Builder, venv: dagger.Directory, declared: VariantConfig, bottom: dagger.Directory, *shell: str
) -> dagger.Directory:
    """Return what the wheels need beyond the bottom, from the base, else from the builder's packages."""
    packages = [word for name in declared.os_packages for word in ("--declared", name)]
    keep = [word for rule in declared.keep for word in ("--keep", rule)]
    assemble = [*ASSEMBLE, "--site", SITE, "--below", "/below", *packages, *keep, *shell]

    def assembled(container: dagger.Container, *more: str) -> dagger.Directory:
        prepared = container.with_mounted_directory(SITE, venv).with_mounted_directory("/below", bottom)
        if packages:
            prepared = prepared.with_mounted_directory("/base", builder.base().rootfs())
            more = ("--base", "/base", *more)
        return prepared.with_exec([*assemble, *more]).directory("/out")

    if not declared.build_packages:
        found = assembled(builder.tools(*PROGRAMS, packages=declared.os_packages))
        if not await found.file("missing.txt").contents():
            return found.directory("rootfs")
    names = (*declared.os_packages, *declared.build_packages)
    return assembled(builder.compiler(names, *PROGRAMS), "--strict").directory("rootfs")
