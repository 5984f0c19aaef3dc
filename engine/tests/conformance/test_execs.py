"""What any engine does with execs: outputs, exit codes, caching."""

import asyncio

import dagger
import pytest
from dagger import ReturnType, dag

pytestmark = pytest.mark.engine

DRAW = ["cat", "/proc/sys/kernel/random/uuid"]
"""Prints something else each time it really runs."""


def shell(container: dagger.Container, script: str, **options: object) -> dagger.Container:
    """Run a script of the shell."""
    return container.with_exec(["sh", "-c", script], **options)  # type: ignore[arg-type]


async def test_failed_exec_tells_command_code_and_trimmed_outputs(fresh: dagger.Container) -> None:
    """ExecError holds the words, the exit code and both outputs without space around them."""
    with pytest.raises(dagger.ExecError) as caught:
        await shell(fresh, "echo '  out  '; echo err >&2; exit 7").sync()

    assert caught.value.exit_code == 7
    assert (caught.value.stdout, caught.value.stderr) == ("out", "err")
    assert caught.value.command[:2] == ["sh", "-c"]


@pytest.mark.parametrize(
    ("code", "expect", "accepted"),
    [
        (0, ReturnType.SUCCESS, True),
        (1, ReturnType.SUCCESS, False),
        (0, ReturnType.FAILURE, False),
        (127, ReturnType.FAILURE, True),
        (137, ReturnType.FAILURE, False),
        (200, ReturnType.FAILURE, True),
        (0, ReturnType.ANY, True),
        (192, ReturnType.ANY, True),
        (130, ReturnType.ANY, False),
    ],
)
async def test_expected_ends_are_accepted(
    base: dagger.Container, code: int, expect: ReturnType, accepted: bool
) -> None:
    """SUCCESS takes 0, FAILURE other codes, ANY both; codes of signals are accepted by none."""
    ended = shell(base, f"exit {code}", expect=expect)
    if accepted:
        assert await ended.exit_code() == code
    else:
        with pytest.raises(dagger.ExecError):
            await ended.exit_code()


async def test_nothing_runs_until_it_is_needed(base: dagger.Container) -> None:
    """A failing exec that no answer needs is no error."""
    shell(base, "exit 1")
    failing = shell(base, "exit 1").with_label("a", "b")

    assert await failing.id()


async def test_equal_execs_run_once(fresh: dagger.Container) -> None:
    """The same operation asked by many at once, and again later, ran once."""
    answers = await asyncio.gather(*(fresh.with_exec(DRAW).stdout() for _ in range(20)))

    assert {*answers, await fresh.with_exec(DRAW).stdout()} == {answers[0]}


async def test_what_an_exec_sees_decides_whether_it_runs_again(fresh: dagger.Container) -> None:
    """A changed variable or mounted file runs the exec anew; equal content does not."""

    async def draw(container: dagger.Container) -> str:
        return await container.with_exec(DRAW).stdout()

    def mounted(text: str) -> dagger.Container:
        return fresh.with_mounted_file("/m", dag.directory().with_new_file("f", text).file("f"))

    first = await draw(mounted("one"))

    assert await draw(mounted("one")) == first
    assert await draw(mounted("two")) != first
    assert await draw(mounted("one").with_env_variable("A", "B")) != first


async def test_volatile_variable_is_seen_and_does_not_run_again(fresh: dagger.Container) -> None:
    """A volatile variable reaches the process but is no part of what makes execs equal."""

    def run(value: str) -> dagger.Container:
        return shell(
            fresh.with_volatile_variable("WHEN", value), "echo $WHEN; cat /proc/sys/kernel/random/uuid"
        )

    first = await run("monday").stdout()

    assert first.startswith("monday")
    assert await run("friday").stdout() == first


async def test_secret_is_seen_by_the_exec_and_by_nobody_else(fresh: dagger.Container) -> None:
    """The process reads the value; outputs, errors and the image's environment do not show it."""
    canary = "canary-" + "9f2c" * 4
    held = fresh.with_secret_variable("TOKEN", dag.set_secret("conformance", canary))

    assert await shell(held, "printf %s $TOKEN | wc -c").stdout() == f"{len(canary)}\n"
    assert await shell(held, "echo [$TOKEN]").stdout() == "[***]\n"
    assert canary not in [await v.value() for v in await held.env_variables()]
    with pytest.raises(dagger.ExecError) as caught:
        await shell(held, "echo $TOKEN >&2; exit 1").sync()
    assert canary not in f"{caught.value}{caught.value.stderr}{caught.value.stdout}"


async def test_entrypoint_and_default_arguments(fresh: dagger.Container) -> None:
    """An exec without words takes the default arguments; the entrypoint only when asked."""
    held = fresh.with_entrypoint(["echo", "entry"]).with_default_args(["printf", "default"])

    assert await held.with_exec([]).stdout() == "default"
    assert await held.with_exec(["word"], use_entrypoint=True).stdout() == "entry word\n"


async def test_redirected_outputs_are_files_and_still_outputs(fresh: dagger.Container) -> None:
    """A redirected stream is written to a file and can be asked for as before."""
    ran = fresh.with_exec(["echo", "both"], redirect_stdout="/file")

    assert await ran.file("/file").contents() == "both\n"
    assert await ran.stdout() == "both\n"


async def test_stdin_reaches_the_process(fresh: dagger.Container) -> None:
    """What is given as stdin is what the process reads, to its end."""
    assert await fresh.with_exec(["cat"], stdin="line\nlast").stdout() == "line\nlast"
