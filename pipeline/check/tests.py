"""Stage 6 of 8: an image in, its test reports out, or one error that lists every failure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dagger
from dagger import dag

from pipeline.build.image import APP, MODELS, TEST_PACKAGES, USER, health_probe, installed_packages
from pipeline.build.stages import BuiltImage, test_wheels
from pipeline.check.outcome import Outcome
from pipeline.check.skips import allowed, gpu_refusal, unallowed
from pipeline.compat import without_engine
from pipeline.config import Config
from pipeline.containers import Builder, program_files, with_programs
from pipeline.tasks import gather
from pipeline.variants import VARIANTS, Variant
from pipeline.verify_config import Part, VerifyConfig

PROJECT: Final = "/srv/project"
SUPERVISOR: Final = 9009
"""Port of programs/supervise.py; only the test's own network sees it."""
KEEP_REPORTS: Final = "Pass --gate=false -o out/ for the reports and logs of this run"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestInput:
    """An image, and what it is tested with."""

    __test__ = False

    image: dagger.Container
    config: Config
    variant: Variant
    source: dagger.Directory
    """The service's folder: its tests, its pyproject.toml."""
    wheels: dagger.Directory | None
    """Wheels of the development dependencies that the image lacks; None where there is no test lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """One run of tests: reports, exit code, output."""

    __test__ = False

    name: str
    """`http`, `tests` or `gpu`."""
    reports: dagger.Directory
    exit_code: int = 0
    seconds: float = 0
    """What the run took when it was carried out, whether now or earlier."""
    output: str = ""
    skipped: str = ""
    """Why it was not run; "" when it was."""

    @property
    def facts(self) -> dict[str, object]:
        """Return the line of outcome.json."""
        facts = {"name": self.name, "exit_code": self.exit_code, "seconds": self.seconds}
        return {**facts, "skipped": self.skipped} if self.skipped else facts


async def test_image(image: BuiltImage) -> Outcome:
    """Run the service's own tests in the image and check the started service over HTTP.

    Its files are http.xml, http.log and service.log; where the service has tests also junit.xml,
    coverage.xml and tests.log; outcome.json with exit code and seconds of each run.
    """
    project = image.project
    subject = TestInput(
        image=image.container,
        config=project.config,
        variant=image.variant,
        source=project.source,
        wheels=await test_wheels(project, image.lock),
    )
    runs = await _runs(project.builder, subject)
    failed = [f"{one.name} (exit code {one.exit_code}):\n{one.output}" for one in runs if one.exit_code]
    return Outcome(
        step="test",
        variant=image.variant,
        files=await _gathered(subject, runs).sync(),
        failures=tuple(failed),
        hint=KEEP_REPORTS,
    )


def _gathered(subject: TestInput, runs: Sequence[TestRun]) -> dagger.Directory:
    """Return what all runs left in one directory, with outcome.json."""
    facts = {"variant": subject.variant.value, "runs": [run.facts for run in runs]}
    reports = dag.directory().with_new_file("outcome.json", json.dumps(facts, indent=1) + "\n")
    for run in runs:
        reports = reports.with_directory("/", run.reports)
    return reports


async def _runs(builder: Builder, subject: TestInput) -> list[TestRun]:
    """Return every run by name."""
    runs = [_http(builder, subject), _own_tests(builder, subject)]
    runs += [_on_gpu(builder, subject)] if VARIANTS[subject.variant].cuda else []
    return sorted(await gather(*runs), key=lambda run: run.name)


async def _http(builder: Builder, subject: TestInput) -> TestRun:
    """Start the image's command under a supervisor as a service, and check it from a second container.

    A worker is checked the same way: that it runs, is well, ends on SIGTERM and starts again.
    """
    service = subject.config.service
    base, supervisor = f"http://app:{service.port or SUPERVISOR}", f"http://app:{SUPERVISOR}"
    check = ["python3", "-m", "service_check", "--base", base, "--supervisor", supervisor, "--out", "/out"]
    check += ["--health", service.health or "", "--ready", service.ready_path]
    check += ["--protocol", service.protocol, *(["--probe"] if health_probe(service) else [])]
    check += ["--seconds", str(service.test_timeout)]
    reference = f"{service.tests}/reference.json" if service.tests else ""
    if reference and await subject.source.glob(reference) and subject.config.variant(subject.variant).models:
        check += ["--reference", "/in/reference.json"]
    client = (
        with_programs(builder.base(), "service_check")
        .with_service_binding("app", supervised(subject))
        .with_directory("/out", dag.directory())
    )
    if "--reference" in check:
        client = client.with_mounted_file("/in/reference.json", subject.source.file(reference))
    return await _outcome("http", client.with_exec(check, expect=dagger.ReturnType.ANY))


def supervised(subject: TestInput) -> dagger.Service:
    """Return the image's command as a service that can be stopped, started and read.

    Neither its own port nor its health is waited for: both are what the checks find out. Where a
    container has a health check, Dagger waits for that, whatever its ports are.
    """
    service = subject.config.service
    probe = json.dumps(health_probe(service))
    command = ["python", "/programs/supervise.py", "--port", str(SUPERVISOR), "--probe", probe]
    command += ["--", *service.command]
    image = subject.image.without_exposed_port(service.port) if service.port else subject.image
    return (
        image.with_mounted_directory("/programs", program_files("supervise.py"))
        .with_mounted_temp("/tmp")  # noqa: S108 - the path inside the container
        .without_docker_healthcheck()
        .with_exposed_port(SUPERVISOR)
        .with_default_args(command)
        .as_service(**without_engine())
    )


async def _own_tests(builder: Builder, subject: TestInput) -> TestRun:
    """Run the service's tests inside the image, the development dependencies mounted next to it."""
    tests = subject.config.service.tests
    if not tests:
        return _not_run("tests", "the service declares no `tests`")
    if subject.wheels is None:
        reason = "the service has no requirements/test.txt, the lock of its development dependencies"
        return _skipped("tests", reason, subject.config.service.verify)
    limit = subject.config.service.test_timeout
    run = ["python", "/programs/time_limit.py", "--seconds", str(limit), "--name", "tests", "--out", "/out"]
    run += ["--", "python", "-m", "pytest", tests, "-p", "no:cacheprovider", "--junitxml=/out/junit.xml"]
    run += ["--cov", "--cov-report=xml:/out/coverage.xml", "--cov-report=term"]
    container = (
        beside_tests(builder, subject, subject.wheels)
        .with_directory("/out", dag.directory(), owner=USER)
        .with_mounted_directory("/programs", program_files("time_limit.py"))
        .with_env_variable("COVERAGE_FILE", "/out/.coverage")
    )
    return await _outcome("tests", container.with_exec(run, expect=dagger.ReturnType.ANY, **without_engine()))


async def _on_gpu(builder: Builder, subject: TestInput) -> TestRun:
    """Run each model on the GPUs that the engine gives; skipped with the reason where it has none."""
    accepted = subject.config.service.verify
    run = ["python", "/programs/gpu_check.py", "--models", MODELS, "--out", "/out"]
    container = (
        subject.image.with_mounted_directory("/programs", program_files("gpu_check.py"))
        .with_mounted_temp("/tmp")  # noqa: S108 - the path inside the container
        .with_directory("/out", dag.directory(), owner=USER)
        .experimental_with_all_gp_us()
        .with_exec(run, expect=dagger.ReturnType.ANY, **without_engine())
    )
    try:
        await container.exit_code()
    except dagger.ExecError as error:
        return _broken("gpu", error)
    except dagger.QueryError as error:
        if refusal := await gpu_refusal(builder):
            return _skipped("gpu", f"the engine gives no GPU: {refusal}", accepted)
        return _broken("gpu", error)
    outcome = await _outcome("gpu", container)
    return _skipped("gpu", outcome.skipped, accepted) if outcome.skipped else outcome


def beside_tests(builder: Builder, subject: TestInput, wheels: dagger.Directory) -> dagger.Container:
    """Return the image in the service's folder, with the packages of these wheels and its tests mounted."""
    project = subject.source.filter(
        include=[str(subject.config.service.tests), "pyproject.toml", "README.md"]
    )
    return (
        subject.image.with_mounted_directory(TEST_PACKAGES, installed_packages(builder, wheels))
        .with_mounted_directory(PROJECT, project)
        .with_mounted_temp("/tmp")  # noqa: S108 - the path inside the container
        .with_env_variable("PYTHONPATH", f"{APP}:{TEST_PACKAGES}")
        .with_workdir(PROJECT)
    )


async def _outcome(name: str, container: dagger.Container) -> TestRun:
    """Return what a run left; one that cannot be carried out at all is a failure with its reason."""
    try:
        output = f"{await container.stdout()}{await container.stderr()}"
        end = json.loads(await container.file(f"/out/{name}.json").contents())
    except dagger.QueryError as error:
        return _broken(name, error)
    reports = container.directory("/out").filter(include=["*.xml", "*.log"])
    return TestRun(
        name=name,
        reports=reports,
        exit_code=end["exit_code"],
        seconds=end["seconds"],
        output=output,
        skipped=end.get("skipped", ""),
    )


def _broken(name: str, error: dagger.QueryError) -> TestRun:
    """Return the failure of a run that the engine could not carry out."""
    said = f"{error.stdout}\n{error.stderr}" if isinstance(error, dagger.ExecError) else ""
    output = f"{error}\n{said}".rstrip()
    return TestRun(
        name=name, reports=dag.directory().with_new_file(f"{name}.log", output), exit_code=1, output=output
    )


def _skipped(name: Part, reason: str, accepted: VerifyConfig) -> TestRun:
    """Return the outcome of a run that could not be carried out: a failure unless it is allowed."""
    found, expected, do = unallowed(name, reason, accepted)
    if not found:
        return _not_run(name, allowed(name, reason, accepted))
    output = f"{found}; expected {expected}. {do}"
    return TestRun(
        name=name,
        reports=dag.directory().with_new_file(f"{name}.log", f"{output}\n"),
        exit_code=1,
        output=output,
    )


def _not_run(name: str, reason: str) -> TestRun:
    """Return the outcome of a run that the service declares nothing for, or that may be skipped."""
    return TestRun(
        name=name, reports=dag.directory().with_new_file(f"{name}.log", f"{reason}\n"), skipped=reason
    )
