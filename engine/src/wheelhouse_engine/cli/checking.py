"""Run a module's checks, all at once, and say how each ended."""

import asyncio
import fnmatch
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from wheelhouse_engine.cli.chain import ChainRunner, Result
from wheelhouse_engine.cli.command_line import Chain, Step
from wheelhouse_engine.cli.failures import EXIT_FAILED, CommandError, report
from wheelhouse_engine.cli.flags import FlagSet
from wheelhouse_engine.cli.names import kebab, near_miss
from wheelhouse_engine.cli.project import (
    Project,
    Settings,
    announce,
    open_project,
    open_session,
    quiet_stdout,
    run_until_done,
)
from wheelhouse_engine.cli.queries import CoreRef, Querier, Selection, ask
from wheelhouse_engine.cli.signatures import Function, TypeRef

_HEAD: Final = ("Name", "Result", "Time")


@dataclass(frozen=True, slots=True)
class Choice:
    """Say which checks to run, and how."""

    reference: str | None = None
    only_list: bool = False
    failfast: bool = False
    no_generate: bool = False
    generate: bool = False
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """Name one check and the chain that runs it."""

    name: str
    chain: Chain

    @property
    def function(self) -> Function:
        """Give the function that is the check."""
        return self.chain.last.function


@dataclass(frozen=True, slots=True)
class Outcome:
    """Say how a check ended: `passed`, `failed` or `canceled`."""

    name: str
    result: str
    seconds: float = 0.0
    error: BaseException | None = None


def check(choice: Choice, settings: Settings) -> int:
    """Run `wheelhouse check …` and return its exit code: 1 when one fails.

    Raises:
        CommandError: the module cannot be loaded, or a pattern matches nothing.

    """
    project = open_project(choice.reference, settings)
    chosen = select(list(find_checks(project)), choice)
    if choice.only_list:
        sys.stdout.write(table([("Name", "Description"), *((c.name, c.function.short) for c in chosen)]))
        return 0
    announce(settings)
    return run_until_done(lambda: _run(chosen, project, choice, settings), settings)


def find_checks(project: Project) -> Iterator[Check]:
    """Yield checks and generators without required arguments, through argument-less own objects too."""
    constructor = project.types.own.constructor()
    root = _step(constructor, project, is_constructor=True)
    yield from _below(constructor.returns, (root,), (kebab(project.config.name),), project)


def select(checks: Sequence[Check], choice: Choice) -> list[Check]:
    """Keep what the patterns name: a glob, or a name and everything below it.

    Raises:
        CommandError: a pattern matches nothing; suggests the near miss.

    """
    kept = [c for c in checks if not (choice.no_generate and c.function.is_generator)]
    kept = [c for c in kept if not (choice.generate and not c.function.is_generator)]
    for pattern in choice.patterns:
        if not any(matches(one.name, pattern) for one in kept):
            meant = near_miss(pattern, [c.name for c in kept] + [c.name.partition(":")[2] for c in kept])
            hint = f", did you mean {meant}?" if meant else "."
            names = ", ".join(one.name for one in kept) or "none"
            raise CommandError(f"no check matches {pattern!r}{hint} Checks: {names}")
    return [c for c in kept if not choice.patterns or any(matches(c.name, p) for p in choice.patterns)]


def matches(name: str, pattern: str) -> bool:
    """Say whether a pattern names a check, with or without the module's name before it."""
    return any(
        fnmatch.fnmatchcase(one, pattern) or one.startswith(pattern.rstrip(":") + ":")
        for one in (name, name.partition(":")[2])
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align columns by three spaces."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("   ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def _below(
    ref: TypeRef, steps: tuple[Step, ...], names: tuple[str, ...], project: Project
) -> Iterator[Check]:
    held = project.types.object(ref)
    for function in held.functions if held else ():
        if any(argument.required for argument in function.arguments):
            continue
        name = (*names, kebab(function.name))
        reached = (*steps, _step(function, project))
        if function.is_check or function.is_generator:
            yield Check(":".join(name), Chain(reached))
        elif function.returns.kind == "object" and function.returns.own and not function.arguments:
            seen = {step.function.returns.own for step in steps}
            if function.returns.own not in seen:
                yield from _below(function.returns, reached, name, project)


def _step(function: Function, project: Project, *, is_constructor: bool = False) -> Step:
    texts = project.defaults(function, is_constructor)
    flags = FlagSet(function.arguments, (), "wheelhouse check")
    given = {
        a.name: flags.convert(kebab(a.name), a.type, texts[a.name])
        for a in function.arguments
        if a.name in texts
    }
    return Step(function, given, "wheelhouse call")


async def _run(checks: Sequence[Check], project: Project, choice: Choice, settings: Settings) -> int:
    stdout = sys.stdout
    async with open_session(settings, module=project.config, loaded=project.loaded) as session:
        with quiet_stdout():
            outcomes = await run_all(checks, session, project, failfast=choice.failfast)
    rows = [(one.name, one.result, f"{one.seconds:.1f}s") for one in outcomes]
    stdout.write(table([_HEAD, *rows]))
    stdout.flush()
    failed = [one for one in outcomes if one.error is not None]
    for one in failed:
        sys.stderr.write(f"\n{one.name}: ")
        assert one.error is not None  # noqa: S101 - filtered above
        report(one.error, sys.stderr, debug=settings.debug, scrub=settings.scrub)
    if failed:
        sys.stderr.write(f"\nError: {len(failed)} of {len(outcomes)} checks failed\n")
    return EXIT_FAILED if failed else 0


async def run_all(
    checks: Sequence[Check], session: Querier, project: Project, *, failfast: bool
) -> list[Outcome]:
    """Run checks side by side; with `failfast` the first failure cancels the others."""
    runner = ChainRunner(session, project.types, project.config)
    tasks = [asyncio.create_task(_outcome(one, runner, session), name=one.name) for one in checks]
    try:
        for finished in asyncio.as_completed(tasks):
            outcome = await finished
            if failfast and outcome.error is not None:
                break
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    return [
        one if isinstance(one, Outcome) else Outcome(task.get_name(), "canceled")
        for one, task in zip(ended, tasks, strict=True)
    ]


async def _outcome(one: Check, runner: ChainRunner, session: Querier) -> Outcome:
    started = time.monotonic()
    try:
        result = await runner.run(one.chain)
        await _refuse_changes(result, session)
    except Exception as error:  # noqa: BLE001 - the table tells every failure
        return Outcome(one.name, "failed", time.monotonic() - started, error)
    return Outcome(one.name, "passed", time.monotonic() - started)


async def _refuse_changes(result: Result, session: Querier) -> None:
    """Fail a generator whose files are not up to date."""
    changes = result.value if result.type.name == "Changeset" else None
    if isinstance(changes, CoreRef) and not await ask(session, changes, [Selection("isEmpty", {})]):
        raise CommandError("generated files are not up to date. Run the generator with `call … -y`.")
