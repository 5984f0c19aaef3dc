"""Working containers whose programs need packages of their own, installed by hash."""

from typing import Final

import dagger

from pipeline.builder import Builder, program_file, program_files

PACKAGES: Final = "/opt/packages"
INSTALL: Final = ("python3", "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes")


def with_packages(builder: Builder, requirements: str, *programs: str) -> dagger.Container:
    """Return the base with the packages of one requirement file and these programs importable.

    Args:
        builder: the base image and the index.
        requirements: path of the hash-pinned file below programs/.
        programs: files or folders of programs/, mounted at /programs.

    """
    return builder.shared(
        (requirements, programs),
        lambda: with_programs(_with_installed(builder, requirements), *programs, more=f":{PACKAGES}"),
    )


def _with_installed(builder: Builder, requirements: str) -> dagger.Container:
    """Return the base with the packages of one requirement file."""

    def build() -> dagger.Container:
        installed = (
            builder.online_base()
            .with_mounted_file("/in/requirements.txt", program_file(requirements))
            .with_exec([*INSTALL, "--target", PACKAGES, "--requirement", "/in/requirements.txt"])
            .directory(PACKAGES)
        )
        return builder.base().with_mounted_directory(PACKAGES, installed)

    return builder.shared(requirements, build)


def with_programs(container: dagger.Container, *programs: str, more: str = "") -> dagger.Container:
    """Return a container in which `python3 -m PROGRAM` finds these programs."""
    return (
        container.with_mounted_directory("/programs", program_files(*programs))
        .with_env_variable("PYTHONPATH", f"/programs{more}")
        .with_env_variable("PYTHONDONTWRITEBYTECODE", "1")
    )
