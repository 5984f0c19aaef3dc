"""Turn what went wrong into an exit code and words, never a traceback."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TextIO

EXIT_FAILED: Final = 1
EXIT_CANCELED: Final = 2
"""Source: `dagger call` v0.21 ends with 2 after Ctrl-C."""


class CommandError(Exception):
    """Stop with a sentence for the user and exit code 1."""


class UsageError(CommandError):
    """Stop because of how the command line is written.

    `path` is the command so far, such as `wheelhouse call build`; `meant` the near miss, if there is one.
    """

    def __init__(self, message: str, path: str = "", meant: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.meant = meant


class ModuleLoadError(CommandError):
    """Stop because there is no module, or it cannot be imported."""


class FunctionError(CommandError):
    """Stop because an own function raised; the cause is the function's exception."""


def report(
    error: BaseException, stderr: TextIO, *, debug: bool = False, scrub: Callable[[str], str] = str
) -> int:
    """Print the error as `dagger` prints it, without secrets, and return the exit code."""
    text = "".join(traceback.format_exception(error)) if debug else ""
    text += f"Error: {describe(error)}\n"
    if isinstance(error, UsageError):
        text += f"did you mean {error.meant}?\n" if error.meant else ""
        text += f"Run '{error.path} --help' for usage.\n" if error.path else ""
    failed = failed_exec(error)
    # A function that wraps a failed process in an error of its own ends with 1, but what it wrote is shown.
    shown = failed or (failed_exec(error.__cause__) if error.__cause__ else None)
    for title in ("stdout", "stderr") if shown else ():
        if output := str(getattr(shown, title)).rstrip("\n"):
            text += f"{title.capitalize()}:\n{output}\n"
    stderr.write(scrub(text))
    return int(getattr(failed, "exit_code", 0)) or EXIT_FAILED


def with_disk_named(error: Exception, environ: Mapping[str, str]) -> Exception:
    """Return a full disk as the sentence that names it; other errors as they are."""
    from wheelhouse_engine.diskspace import NUMBERS, explained  # noqa: PLC0415 - only where something failed
    from wheelhouse_engine.store import Store  # noqa: PLC0415 - see above

    full = isinstance(error, OSError) and error.errno in NUMBERS
    return explained(error, Store.place(environ)) if full else error


def describe(error: BaseException) -> str:
    """Say in words what happened; a group of errors is listed line by line."""
    if isinstance(error, BaseExceptionGroup):
        leaves = list(_leaves(error))
        return leaves_text(leaves)
    failed = failed_exec(error)
    if failed is not None:
        return f"exit code: {getattr(failed, 'exit_code', 1)}"
    if isinstance(error, FunctionError) and error.__cause__ is not None:
        cause = error.__cause__
        text = describe(cause) if isinstance(cause, BaseExceptionGroup) else str(cause)
        return f"FunctionError: {text or type(cause).__name__}"
    return str(error) or type(error).__name__


def leaves_text(leaves: list[BaseException]) -> str:
    """List several errors, one a line; a single one stands alone."""
    return "\n".join(describe(leaf) for leaf in leaves)


def failed_exec(error: BaseException) -> BaseException | None:
    """Find the failed process that *is* this error, whoever raised it.

    Both the client's `ExecError` and the engine's `ExecError` carry `exit_code`, `stdout` and `stderr`.
    GraphQL wraps the engine's own; a group counts when it holds nothing else.
    """
    if hasattr(error, "exit_code") and hasattr(error, "stdout"):
        return error
    if isinstance(error, BaseExceptionGroup):
        leaves = list(_leaves(error))
        return failed_exec(leaves[0]) if len(leaves) == 1 else None
    original = getattr(error, "original_error", None)
    return failed_exec(original) if isinstance(original, BaseException) else None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
