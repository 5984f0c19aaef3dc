"""Carry out `call`, `functions` and their help."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from wheelhouse_engine.cli.chain import ChainRunner, Result
from wheelhouse_engine.cli.changes import Consent, apply_changes, ask_on
from wheelhouse_engine.cli.command_line import (
    CALL_OPTIONS,
    SHARED_OPTIONS,
    Chain,
    module_reference,
    next_function,
    parse_chain,
)
from wheelhouse_engine.cli.helptext import (
    argument_table,
    command_help,
    function_help,
    function_table,
    option_table,
)
from wheelhouse_engine.cli.names import kebab
from wheelhouse_engine.cli.printing import print_result, result_text, save_text
from wheelhouse_engine.cli.project import (
    Project,
    Settings,
    announce,
    open_project,
    open_session,
    quiet_stdout,
    run_until_done,
)
from wheelhouse_engine.cli.signatures import ObjectType, is_flag

PATH = "wheelhouse call"


def call(words: Sequence[str], settings: Settings) -> int:
    """Run `wheelhouse call …` and return its exit code.

    Raises:
        CommandError: the module or the command line is wrong.

    """
    project = open_project(module_reference(words), settings)
    chain = parse_chain(words, project.types, PATH, project.defaults)
    settings.update(chain.options)
    if chain.wants_help:
        sys.stdout.write(help_text(project, chain))
        return 0
    if len(chain.steps) == 1:
        sys.stdout.write("Query\n")
        return 0
    announce(settings)
    return run_until_done(lambda: _call(project, chain, settings), settings)


async def _call(project: Project, chain: Chain, settings: Settings) -> int:
    target = _absolute(chain.options.get("output", ""))
    stdout = sys.stdout
    async with open_session(settings, module=project.config, loaded=project.loaded) as session:
        with quiet_stdout():
            runner = ChainRunner(session, project.types, project.config)
            result = await runner.run(chain, target)
        if result.type.leaf.name == "Changeset" and result.value is not None:
            consent = Consent(settings.auto_apply, ask_on(sys.stdin, sys.stderr))
            await apply_changes(session, result.value, settings.workdir, consent, sys.stderr)
            return 0
    if result.saved:
        sys.stderr.write(f'Saved to "{result.saved}".\n')
        return 0
    _print(project, chain, result, target, stdout)
    return 0


def _absolute(output: str) -> str:
    return os.path.abspath(output) if output else ""  # noqa: PTH100 - pathlib would keep `..` or follow links


def _print(project: Project, chain: Chain, result: Result, target: str, stdout: TextIO) -> None:
    as_json = bool(chain.options.get("json"))
    text = result_text(result.type, result.value, as_json=as_json, module_name=project.config.name)
    if target and result.type.leaf.kind not in ("object", "void"):
        sys.stderr.write(f'Saved output to "{save_text(text, Path(target))}".\n')
    print_result(text, stdout)


def functions(words: Sequence[str], reference: str | None, settings: Settings) -> int:
    """Print what can be called on the main object, or behind the functions named.

    Raises:
        CommandError: the module cannot be loaded or a name is wrong.

    """
    project = open_project(reference, settings)
    held = project.types.object(project.types.own.constructor().returns)
    path = "wheelhouse functions"
    for word in words:
        function = next_function(held, word, path)
        held = project.types.object(function.returns)
        path = f"{path} {word}"
    if held is None or not held.functions:
        sys.stderr.write("No functions found.\n")
        return 0
    sys.stdout.write(listing(held))
    return 0


def listing(held: ObjectType) -> str:
    """Write the table of an object's functions, and how many cannot be called."""
    names = [kebab(function.name) for function in held.functions]
    width = max(len(name) for name in [*names, "Name"])
    lines = [f"{'Name'.ljust(width)}   Description"]
    lines += [f"{n.ljust(width)}   {f.short}".rstrip() for n, f in zip(names, held.functions, strict=True)]
    if held.skipped:
        skipped = ", ".join(held.skipped)
        lines += ["", f"Skipped {len(held.skipped)} function(s) with unsupported types: {skipped}"]
    return "\n".join(lines) + "\n"


def help_text(project: Project, chain: Chain) -> str:
    """Explain the step that the command line reached."""
    last = chain.last
    held = project.types.object(last.function.returns)
    following = held.functions if held else ()
    if len(chain.steps) > 1:
        return function_help(last.path, last.function, following)
    arguments = [argument for argument in last.function.arguments if is_flag(argument.type)]
    sections = [
        ("USAGE", f"  {PATH} [options] [arguments] <function>"),
        ("FUNCTIONS", function_table(following)),
        ("ARGUMENTS", argument_table(arguments)),
        ("OPTIONS", option_table(CALL_OPTIONS)),
        ("INHERITED OPTIONS", option_table(SHARED_OPTIONS)),
    ]
    return command_help(PATH, "Call functions of the module, each on the result of the one before.", sections)
