"""Print what a call would do: `wheelhouse plan`."""

import sys
from collections.abc import Sequence
from typing import Final

from wheelhouse_engine.cli.command_line import Chain, module_reference, parse_chain
from wheelhouse_engine.cli.failures import CommandError
from wheelhouse_engine.cli.flags import Option
from wheelhouse_engine.cli.helptext import command_help, function_help, option_table
from wheelhouse_engine.cli.project import (
    Project,
    Settings,
    open_project,
    open_session,
    quiet_stdout,
    run_until_done,
)
from wheelhouse_engine.cli.remote import is_fetched
from wheelhouse_engine.graph import Op

PATH: Final = "wheelhouse plan"
_CONTAINERFILE: Final = "--containerfile"
_HELP: Final = ("-h", "--help")


def plan(words: Sequence[str], settings: Settings) -> int:
    """Run `wheelhouse plan …`: list the operations, or write them as a Containerfile; nothing is carried out.

    Raises:
        CommandError: the module or the command line is wrong.

    """
    left = [word for word in words if word != _CONTAINERFILE]
    if not left or all(word in _HELP for word in left):
        sys.stdout.write(_help())
        return 0
    if is_fetched(module_reference(left), settings.environ):
        raise CommandError("a plan runs the module's code here: clone the module and pass -m FOLDER.")
    project = open_project(module_reference(left), settings)
    chain = parse_chain(left, project.types, PATH, project.defaults)
    settings.update(chain.options)
    if chain.wants_help:
        held = project.types.object(chain.last.function.returns)
        sys.stdout.write(function_help(chain.last.path, chain.last.function, held.functions if held else ()))
        return 0
    as_file = _CONTAINERFILE in words
    return run_until_done(lambda: _plan(project, chain, settings, as_file=as_file), settings)


async def _plan(project: Project, chain: Chain, settings: Settings, *, as_file: bool) -> int:
    from wheelhouse_engine.cli.chain import ChainRunner  # noqa: PLC0415 - `plan --help` stays fast
    from wheelhouse_engine.cli.containerfile import containerfile  # noqa: PLC0415 - see above

    stdout = sys.stdout
    async with open_session(settings, plan=True, module=project.config, loaded=project.loaded) as session:
        with quiet_stdout():
            await ChainRunner(session, project.types, project.config).run(chain)
        operations = session.operations()
    stdout.write(containerfile(operations, session.guessed) if as_file else listing(operations))
    stdout.flush()
    return 0


def listing(operations: Sequence[Op]) -> str:
    """List the operations with numbers, inputs first, each with the numbers of what it needs."""
    numbers = {op.digest: number for number, op in enumerate(operations, 1)}
    width = len(str(len(operations)))
    lines = []
    for op in operations:
        needs = " ".join(f"#{numbers[one.digest]}" for one in op.inputs() if one.digest in numbers)
        lines.append(f"#{str(numbers[op.digest]).ljust(width)}  {op}" + (f"  <- {needs}" if needs else ""))
    return "".join(f"{line}\n" for line in lines) or "No operations.\n"


def _help() -> str:
    options = [
        Option("containerfile", "Print a multi-stage Containerfile that does the same"),
        Option(
            "mod", "Folder of the module to load (default: the nearest dagger.json)", short="m", word="string"
        ),
    ]
    usage = f"  {PATH} [options] [arguments] <function> [<function> …]"
    about = (
        "Print the operations that `wheelhouse call` would carry out with the same words; run none of them."
    )
    return command_help(PATH, about, [("USAGE", usage), ("OPTIONS", option_table(options))])
