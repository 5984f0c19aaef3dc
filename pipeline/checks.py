"""Stage 6 of 8: an image in, its test reports out, or one error that lists every failure."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Final

import anyio
import dagger
from dagger import dag

from pipeline.builder import EPOCH, Builder, program_files
from pipeline.config import Config
from pipeline.errors import ChecksFailedError
from pipeline.images import APP, INSTALLER, USER, VENV
from pipeline.variants import Variant

TEST_PACKAGES: Final = "/opt/test"
PROJECT: Final = "/srv/project"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is tested, and what it is tested with."""

    image: dagger.Container
    config: Config
    variant: Variant
    source: dagger.Directory
    """The service's folder: its tests, its pyproject.toml."""
    wheels: dagger.Directory | None
    """Wheels of the development dependencies that the image lacks; None where there is no test lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run of checks left behind."""

    name: str
    reports: dagger.Directory
    exit_code: int
    output: str


async def test_reports(builder: Builder, subject: Subject) -> dagger.Directory:
    """Run the service's own tests in the image and speak to the started service over HTTP.

    Returns:
        A directory with http.xml and http.log, and where the service has tests junit.xml,
        coverage.xml and tests.log.

    Raises:
        ChecksFailedError: a check failed; carries the output of every failed run.

    """
    outcomes: list[Outcome] = []

    async def run(check: Coroutine[None, None, Outcome]) -> None:
        outcomes.append(await check)

    async with anyio.create_task_group() as group:
        group.start_soon(run, _http(builder, subject))
        if subject.config.service.tests and subject.wheels:
            group.start_soon(run, _own_tests(builder, subject, subject.wheels))
    outcomes.sort(key=lambda outcome: outcome.name)
    failed = [f"{outcome.name} (exit code {outcome.exit_code}):\n{outcome.output}" for outcome in outcomes]
    failed = [text for text, outcome in zip(failed, outcomes, strict=True) if outcome.exit_code]
    if failed:
        raise ChecksFailedError.gathered("test", failed)
    reports = dag.directory()
    for outcome in outcomes:
        reports = reports.with_directory("/", outcome.reports)
        reports = reports.with_new_file(f"{outcome.name}.log", outcome.output)
    return reports


async def _http(builder: Builder, subject: Subject) -> Outcome:
    """Start the image as a service and check it from a second container."""
    service = subject.config.service
    base = f"http://app:{service.port}"
    check = ["python3", "/programs/http_check.py", "--base", base, "--health", service.health]
    check += ["--ready", service.ready or service.health, "--out", "/out/http.xml"]
    reference = f"{service.tests}/reference.json" if service.tests else ""
    if reference and await subject.source.glob(reference) and subject.config.variant(subject.variant).models:
        check += ["--reference", "/in/reference.json"]
    client = (
        builder.base()
        .with_service_binding("app", subject.image.as_service())
        .with_mounted_directory("/programs", program_files("http_check.py"))
        .with_directory("/out", dag.directory())
    )
    if "--reference" in check:
        client = client.with_mounted_file("/in/reference.json", subject.source.file(reference))
    return await _outcome("http", client.with_exec(check, expect=dagger.ReturnType.ANY))


async def _own_tests(builder: Builder, subject: Subject, wheels: dagger.Directory) -> Outcome:
    """Run the service's tests inside the image, the development dependencies mounted beside it."""
    tests = str(subject.config.service.tests)
    project = subject.source.filter(include=[tests, "pyproject.toml", "README.md"])
    run = ["python", "-m", "pytest", tests, "-p", "no:cacheprovider", "--junitxml=/out/junit.xml"]
    run += ["--cov", "--cov-report=xml:/out/coverage.xml", "--cov-report=term"]
    container = (
        subject.image.with_mounted_directory(TEST_PACKAGES, installed_packages(builder, wheels))
        .with_mounted_directory(PROJECT, project)
        .with_directory("/out", dag.directory(), owner=USER)
        .with_mounted_temp("/tmp")  # noqa: S108 - the path inside the container
        .with_env_variable("PYTHONPATH", f"{APP}:{TEST_PACKAGES}")
        .with_env_variable("COVERAGE_FILE", "/out/.coverage")
        .with_workdir(PROJECT)
    )
    return await _outcome("tests", container.with_exec(run, expect=dagger.ReturnType.ANY))


def installed_packages(builder: Builder, wheels: dagger.Directory) -> dagger.Directory:
    """Return wheels installed into one folder that is put beside an image, never into it."""
    install = ["python3", "/programs/install_wheels.py", "--wheels", "/wheels", "--venv", VENV]
    return (
        builder.tools(*INSTALLER)
        .with_mounted_directory("/wheels", wheels)
        .with_exec([*install, "--target", TEST_PACKAGES])
        .directory(TEST_PACKAGES)
    )


async def _outcome(name: str, container: dagger.Container) -> Outcome:
    output = f"{await container.stdout()}{await container.stderr()}"
    reports = container.directory("/out").filter(include=["*.xml"]).with_timestamps(EPOCH)
    return Outcome(name=name, reports=reports, exit_code=await container.exit_code(), output=output)
