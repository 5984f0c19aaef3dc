"""What any engine does with bytes that are no text, and with redirections."""

import dagger
import pytest
from dagger import dag

pytestmark = pytest.mark.engine

ALL_BYTES = "import sys; [s.buffer.write(bytes(range(256)) * 4) for s in (sys.stdout, sys.stderr)]"


def shell(container: dagger.Container, script: str, **options: object) -> dagger.Container:
    """Run a script of the shell."""
    return container.with_exec(["sh", "-c", script], **options)  # type: ignore[arg-type]


async def refused(container: dagger.Container) -> dagger.ExecError:
    """Return the error of an exec that cannot start."""
    with pytest.raises(dagger.ExecError) as caught:
        await container.sync()
    return caught.value


async def test_a_redirected_file_has_the_bytes_that_were_written(fresh: dagger.Container) -> None:
    """Both outputs reach their files unchanged. Source: golden answer binary_redirected_stdout."""
    held = fresh.with_exec(["python3", "-c", ALL_BYTES], redirect_stdout="/o", redirect_stderr="/e")

    assert await shell(held, "stat -c %s /o /e; cmp /o /e && echo equal").stdout() == "1024\n1024\nequal\n"


@pytest.mark.parametrize(
    ("octal", "text"),
    [
        (r"\377\376", "\ufffd\ufffd"),
        (r"\342\202", "\ufffd\ufffd"),
        (r"a\355\240\200b", "a\ufffd\ufffd\ufffdb"),
        (r"\360\237\230", "\ufffd\ufffd\ufffd"),
        (r"\342\202\254", "€"),
    ],
)
async def test_each_byte_that_is_no_text_is_one_character(
    base: dagger.Container, octal: str, text: str
) -> None:
    """Output and contents replace byte by byte. Source: Go's encoding/json, in which answers are written."""
    held = shell(base, f"printf '{octal}'", redirect_stdout="/o")

    assert [await held.stdout(), await held.file("/o").contents()] == [text, text]


async def test_standard_input_is_redirected_as_bytes(fresh: dagger.Container) -> None:
    """A file of any bytes is read unchanged."""
    made = fresh.with_exec(["python3", "-c", ALL_BYTES], redirect_stdout="/o")
    read = "import sys; print(len(sys.stdin.buffer.read()))"

    assert await made.with_exec(["python3", "-c", read], redirect_stdin="/o").stdout() == "1024\n"


async def test_a_redirection_into_a_missing_folder_starts_nothing(fresh: dagger.Container) -> None:
    """The file is opened before the process: code -1, no output. Source: setupStdio of executor_spec.go."""
    error = await refused(shell(fresh, "echo ran", redirect_stdout="/missing/folder/out"))

    assert (error.exit_code, error.stdout, error.stderr) == (-1, "", "")
    assert error.message.startswith("open redirect stdout file: ")


async def test_a_redirection_to_a_folder_starts_nothing(fresh: dagger.Container) -> None:
    """A folder is no file to write to."""
    error = await refused(shell(fresh, "true", redirect_stderr="/etc"))

    assert error.exit_code == -1
    assert error.message.startswith("open redirect stderr file: ")


async def test_a_missing_standard_input_starts_nothing(fresh: dagger.Container) -> None:
    """A file to read from must be there."""
    error = await refused(shell(fresh, "true", redirect_stdin="/missing"))

    assert error.exit_code == -1
    assert error.message.startswith("open redirect stdin file: ")


async def test_standard_input_has_one_source(fresh: dagger.Container) -> None:
    """A text and a file at once are refused. Source: withExec of core/schema/container.go."""
    with pytest.raises(dagger.QueryError, match="cannot set both stdin and redirectStdin"):
        await shell(fresh, "cat", stdin="text", redirect_stdin="/etc/passwd").sync()


async def test_a_redirection_keeps_the_mode_of_a_file_that_exists(fresh: dagger.Container) -> None:
    """The file is emptied and belongs to the exec's user; a new one has mode 0600."""
    held = fresh.with_new_file("/old", "long old text", permissions=0o664).with_user("1001:1002")
    ran = shell(held, "echo new", redirect_stdout="/old")

    assert await shell(ran, "stat -c '%a %u:%g' /old; cat /old").stdout() == "664 1001:1002\nnew\n"


async def test_the_process_sees_the_file_that_it_writes_to(fresh: dagger.Container) -> None:
    """The file exists while the process runs, with what was written so far."""
    script = "echo first; sleep 0.5; wc -l < /out >&2"

    assert await shell(fresh, script, redirect_stdout="/out").stderr() == "1\n"


async def test_a_redirection_goes_through_links_and_mounts(fresh: dagger.Container) -> None:
    """A link to a file leads to it; a file in a mounted folder is written there, its neighbours stay."""
    folder = dag.directory().with_new_file("sub/old", "old", permissions=0o640).with_new_file("keep", "k")
    held = fresh.with_mounted_directory("/m", folder).with_symlink("/tmp/target", "/link")
    ran = shell(held, "echo out; echo err >&2", redirect_stdout="/m/sub/old", redirect_stderr="/link")

    assert await ran.directory("/m").glob("**") == ["keep", "sub/", "sub/old"]
    assert await ran.file("/m/sub/old").contents() == "out\n"
    assert await ran.file("/tmp/target").contents() == "err\n"


async def test_a_long_output_is_shortened_in_errors_only(fresh: dagger.Container) -> None:
    """An error has the last 100 KiB, a note over their beginning. Source: ReadSnapshotPath, its test."""
    program = "import sys; sys.stderr.write(''.join(chr(97 + i % 26) for i in range(102_500))); sys.exit(1)"
    error = await refused(fresh.with_exec(["python3", "-c", program]))

    assert len(error.stderr) == 100 * 1024
    assert error.stderr.startswith("[omitting 100 bytes]...")
    assert error.stderr.endswith("".join(chr(97 + i % 26) for i in range(102_490, 102_500)))


async def test_folders_of_a_working_directory_belong_to_the_user(fresh: dagger.Container) -> None:
    """Missing folders are made for the exec's user. Source: createCWD of executor_spec.go."""
    held = fresh.with_user("1001:1002").with_workdir("/work/deep")

    assert await shell(held, "stat -c '%a %u:%g' /work /work/deep .").stdout() == "755 1001:1002\n" * 3


async def test_folders_of_a_working_directory_in_a_mount_stay_in_it(fresh: dagger.Container) -> None:
    """A working directory below a mounted folder is made in the mount."""
    held = fresh.with_mounted_directory("/m", dag.directory()).with_user("1001").with_workdir("/m/new/one")
    ran = shell(held, "stat -c %u . ; touch made")

    assert await ran.stdout() == "1001\n"
    assert await ran.directory("/m").glob("**") == ["new/", "new/one/", "new/one/made"]


async def test_a_working_directory_is_made_after_the_redirections(fresh: dagger.Container) -> None:
    """A redirection into a working directory that is not there yet fails. Source: the order in Run."""
    error = await refused(shell(fresh.with_workdir("/nowhere"), "true", redirect_stdout="out"))

    assert error.exit_code == -1
