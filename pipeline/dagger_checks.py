"""What `dagger check` runs: tests and policies of each image. Called by name: this repository's tools."""

import sys
from typing import Annotated, Final

import dagger
from dagger import DefaultPath, Doc, Ignore, check, function, object_type

from pipeline.build.project import Project
from pipeline.build.stages import build_image
from pipeline.check.tests import test_image
from pipeline.check.verify import verify_image
from pipeline.containers import PATH
from pipeline.settings import Settings
from pipeline.variants import Base, Variant

PYTHON: Final = "python:3.13-slim"
"""What the repository's tools run on."""
PLACE: Final = "/src"
TOOLS: Final = "/opt/dev"
Repository = Annotated[
    dagger.Directory,
    DefaultPath("/"),
    Ignore([".git", ".venv", "out", "**/__pycache__", "**/.*_cache"]),
    Doc("This repository: pyproject.toml, requirements/dev.txt, pipeline/, engine/, tests/"),
]


@object_type
class Checks(Settings):
    """Checks of a service's images; those of this repository are functions that nobody else's check lists."""

    @function
    async def lint(self, repository: Repository) -> str:
        """Lint the repository and compare its layout with the formatter's."""
        linted = self._tools(repository).with_exec(["ruff", "check", "."])
        return await linted.with_exec(["ruff", "format", "--check", "."]).stdout()

    @function
    async def types(self, repository: Repository) -> str:
        """Check the types of the repository."""
        return await self._tools(repository).with_exec(["mypy"]).stdout()

    @function
    async def unit(self, repository: Repository) -> str:
        """Run the repository's unit tests."""
        only = ["pytest", "-q", "-p", "no:cacheprovider", "-m", "not engine and not slow"]
        # Tests of the embedded engine make device files.
        return await self._tools(repository).with_exec(only, insecure_root_capabilities=True).stdout()

    @function
    @check
    async def test_cpu(self) -> None:
        """Test the cpu image."""
        await self._test(Variant.CPU)

    @function
    @check
    async def test_gpu(self) -> None:
        """Test the gpu image."""
        await self._test(Variant.GPU)

    @function
    @check
    async def test_api(self) -> None:
        """Test the api image."""
        await self._test(Variant.API)

    @function
    @check
    async def verify_cpu(self) -> None:
        """Check every promise of the cpu image."""
        await self._verify(Variant.CPU)

    @function
    @check
    async def verify_gpu(self) -> None:
        """Check every promise of the gpu image."""
        await self._verify(Variant.GPU)

    @function
    @check
    async def verify_api(self) -> None:
        """Check every promise of the api image."""
        await self._verify(Variant.API)

    async def _test(self, variant: Variant) -> None:
        project = await self._project()
        if _declared(project, variant):
            (await test_image(await build_image(project, variant, Base.SMALL))).passed_files()

    async def _verify(self, variant: Variant) -> None:
        project = await self._project()
        if _declared(project, variant):
            (await verify_image(await build_image(project, variant, Base.SMALL))).passed_files()

    def _tools(self, repository: dagger.Directory) -> dagger.Container:
        """Return the repository with its development packages installed, by hash, once per list."""
        builder = self._builder(PYTHON)
        pip = [f"{TOOLS}/bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        return (
            builder.online(builder.with_debian_packages("git", "skopeo"))
            .with_exec(["python3", "-m", "venv", TOOLS])
            .with_mounted_file("/in/dev.txt", repository.file("requirements/dev.txt"))
            .with_exec([*pip, "--require-hashes", "--requirement", "/in/dev.txt"])
            .with_directory(PLACE, repository)
            .with_workdir(PLACE)
            .with_exec([*pip, "--no-build-isolation", "--editable", ".", "--editable", "engine"])
            .with_env_variable("PATH", f"{TOOLS}/bin:{PATH}")
        )


def _declared(project: Project, variant: Variant) -> bool:
    """Tell whether the service has this image; say so on stderr where there is nothing to prove."""
    declared = variant.value in project.config.service.variants
    if not declared:
        print(f"{variant.value}: not declared by the service", file=sys.stderr)  # noqa: T201
    return declared
