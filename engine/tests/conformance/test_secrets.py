"""What any engine masks: the secrets that an exec was given, and nothing else.

Source: NewSecretScrubReader of engine/engineutil/secret_scrub.go and its test, v0.21.8.
"""

import uuid

import dagger
import pytest
from dagger import dag

pytestmark = pytest.mark.engine


def secret(value: str) -> dagger.Secret:
    """Set a secret of a name that no other test has."""
    return dag.set_secret(f"conformance-{uuid.uuid4().hex}", value)


def shell(container: dagger.Container, script: str, **options: object) -> dagger.Container:
    """Run a script of the shell."""
    return container.with_exec(["sh", "-c", script], **options)  # type: ignore[arg-type]


async def test_an_exec_without_the_secret_is_not_rewritten(fresh: dagger.Container) -> None:
    """Outputs, redirected files and errors of other execs keep a text that is a secret elsewhere."""
    await shell(fresh.with_secret_variable("S", secret("papaya")), "true").sync()
    other = shell(fresh, "echo papaya; echo papaya >&2", redirect_stdout="/out")

    assert await other.stdout() == "papaya\n"
    assert await other.combined_output() == "papaya\npapaya\n"
    assert await other.file("/out").contents() == "papaya\n"
    with pytest.raises(dagger.ExecError) as caught:
        await shell(fresh, "echo papaya >&2; exit 3").sync()
    assert caught.value.stderr == "papaya"


async def test_a_later_exec_without_the_secret_is_not_masked(fresh: dagger.Container) -> None:
    """What is masked follows the container: a variable that was removed masks nothing."""
    held = fresh.with_secret_variable("S", secret("quince"))

    assert await shell(held, "echo quince").stdout() == "***\n"
    assert await shell(held.without_secret_variable("S"), "echo quince").stdout() == "quince\n"


async def test_a_secret_of_several_lines_is_masked_whole(fresh: dagger.Container) -> None:
    """Single lines of it stay: only the whole text is the secret."""
    held = fresh.with_secret_variable("S", secret("first line\nsecond line"))

    assert await shell(held, 'echo "<$S>"').stdout() == "<***>\n"
    assert await shell(held, "echo first line").stdout() == "first line\n"


async def test_space_around_a_secret_does_not_show_it(fresh: dagger.Container) -> None:
    """A value that ends in a newline is masked with and without it."""
    held = fresh.with_mounted_secret("/s", secret("\tmedlar-7\n"))

    assert await shell(held, "cat /s; echo -; printf '[%s]' medlar-7").stdout() == "***-\n[***]"


async def test_an_empty_secret_masks_nothing(fresh: dagger.Container) -> None:
    """An empty value is no part of any output."""
    held = fresh.with_secret_variable("S", secret(""))

    assert await shell(held, "echo text; echo [$S]").stdout() == "text\n[]\n"


async def test_a_mounted_secret_is_masked_in_what_is_redirected(fresh: dagger.Container) -> None:
    """A redirected file of the exec that has the secret shows it as little as its output."""
    held = shell(
        fresh.with_mounted_secret("/s", secret("loquat-5")), "cat /s; cat /s >&2", redirect_stderr="/e"
    )

    assert await held.stdout() == "***"
    assert await held.file("/e").contents() == "***"


async def test_a_secret_in_pieces_between_other_output_is_masked(fresh: dagger.Container) -> None:
    """A value that is written in two pieces, with the other stream between them, is masked in its stream."""
    script = "printf rambu; sleep 0.3; echo x >&2; sleep 0.3; printf tan-9"
    held = shell(fresh.with_secret_variable("S", secret("rambutan-9")), script)

    assert [await held.stdout(), await held.combined_output()] == ["***", "x\n***"]


async def test_the_longer_of_two_secrets_is_masked_as_one(fresh: dagger.Container) -> None:
    """A secret that begins with another one leaves nothing of itself."""
    held = fresh.with_secret_variable("A", secret("kiwi")).with_secret_variable("B", secret("kiwi-fruit"))

    assert await shell(held, "echo kiwi-fruit kiwi kiwi-fru").stdout() == "*** *** ***-fru\n"
