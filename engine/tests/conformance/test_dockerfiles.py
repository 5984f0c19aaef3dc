"""What any engine says of a Dockerfile that fails. Source: golden answer docker_build_failing_step."""

import re

import dagger
import pytest
from dagger import dag

from .conftest import BASE

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("client")]


def built(*lines: str, **options: object) -> dagger.Container:
    """Build a Dockerfile of these lines on the base image."""
    text = "\n".join((f"FROM {BASE}", *lines, ""))
    return dag.directory().with_new_file("Dockerfile", text).docker_build(**options)  # type: ignore[arg-type]


async def failure(container: dagger.Container) -> dagger.ExecError:
    """Return the error of a build whose process fails."""
    with pytest.raises(dagger.ExecError) as caught:
        await container.sync()
    return caught.value


async def test_a_failed_step_is_the_processes_error() -> None:
    """Code, command and outputs are the step's own; those of earlier steps are not shown."""
    error = await failure(built("RUN echo before; echo early >&2", "RUN echo out; echo boom >&2; exit 6"))

    assert (error.exit_code, error.stdout, error.stderr) == (6, "out", "boom")
    assert error.command == ["/bin/sh", "-c", "echo out; echo boom >&2; exit 6"]
    assert error.message == "failed to clone built container state: exit code: 6"


async def test_a_failed_step_without_a_shell_has_its_own_words() -> None:
    """The exec form is the command as it is written."""
    error = await failure(built('RUN ["python3", "-c", "import sys; sys.exit(9)"]'))

    assert (error.exit_code, error.command) == (9, ["python3", "-c", "import sys; sys.exit(9)"])


async def test_a_failed_step_runs_in_the_shell_that_was_chosen() -> None:
    """SHELL counts for the steps behind it."""
    error = await failure(built('SHELL ["/bin/sh", "-e", "-c"]', "RUN exit 4"))

    assert (error.exit_code, error.command) == (4, ["/bin/sh", "-e", "-c", "exit 4"])


async def test_a_secret_of_a_build_is_masked_in_its_error() -> None:
    """A secret that a step mounts is not shown when the step fails."""
    token = dag.set_secret("build-token", "canary-quandong")
    lines = "RUN --mount=type=secret,id=build-token cat /run/secrets/build-token >&2; exit 2"

    assert (await failure(built(lines, secrets=[token]))).stderr == "***"


@pytest.mark.parametrize("line", ["COPY missing /x", "NONSENSE x", "RUN --mount=type=wrong true"])
async def test_another_failure_is_no_process_and_names_no_place(line: str) -> None:
    """What is wrong with the Dockerfile is a QueryError without paths of the engine's store."""
    with pytest.raises(dagger.QueryError) as caught:
        await built(line).sync()

    assert not isinstance(caught.value, dagger.ExecError)
    assert not re.search("storage|/work/|--root|wheelhouse", str(caught.value))
