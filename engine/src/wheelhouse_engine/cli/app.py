"""The program `wheelhouse`: its verbs and the flags they share."""

import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from wheelhouse_engine.cli.failures import EXIT_CANCELED, EXIT_FAILED, CommandError, report, with_disk_named
from wheelhouse_engine.cli.names import near_miss

_RAW: Final[dict[str, Any]] = {
    "context_settings": {"ignore_unknown_options": True, "allow_interspersed_args": False},
    "add_help_option": False,
}
"""For verbs whose flags the module decides."""
_EXAMPLES: Final = """\b
Examples:
  wheelhouse functions                             list what this folder's module can do
  wheelhouse call build --help                     show the arguments of a function
  wheelhouse call build --variant=cpu -o cpu.tar   call it and export what it returns
  wheelhouse functions -m github.com/OWNER/REPO    ask a module of somebody else
  wheelhouse doctor                                check what this machine has

\b
Exit codes: 0 done, 1 failed, 2 canceled, else the exit code of the process that failed in a container.
"""


class Verbs(click.Group):
    """Refuse an unknown verb as `dagger` does, with the near miss."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; raises click.UsageError for an unknown one."""
        if args and self.get_command(ctx, args[0]) is None:
            meant = near_miss(args[0], self.commands)
            hint = f"\ndid you mean {meant}?" if meant else ""
            raise click.UsageError(f'unknown command "{args[0]}" for "wheelhouse"{hint}', ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_EXAMPLES,
)
@click.version_option(package_name="wheelhouse-engine", message="wheelhouse %(version)s")
@click.option("--engine", help="Engine to use: dagger or embedded (default: dagger where it answers).")
@click.option("--progress", default="auto", help="How to show progress: auto, plain, tty, dots or logs.")
@click.option("-q", "--quiet", count=True, help="Show less; nothing stays when it is done.")
@click.option("-s", "--silent", is_flag=True, help="Show no progress at all.")
@click.option("-v", "--verbose", count=True, help="Show more: cached operations and all output.")
@click.option("-d", "--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("-y", "--auto-apply", is_flag=True, help="Apply a returned changeset without asking.")
@click.option("-i", "--interactive", is_flag=True, help="Open a terminal where an exec failed.")
@click.option("--interactive-command", default="/bin/sh", help="What that terminal runs.", show_default=True)
@click.pass_context
def cli(ctx: click.Context, /, **options: Any) -> None:
    """Call the functions of a Dagger module, with or without a Dagger engine."""
    from wheelhouse_engine.cli.project import Settings  # noqa: PLC0415 - `--help` stays fast

    ctx.obj = Settings(arguments=ctx.obj, **options)


@cli.command(**_RAW)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def call(settings: Any, words: tuple[str, ...]) -> int:
    """Call one or more functions, each on the result of the one before."""
    from wheelhouse_engine.cli import calling, command_line  # noqa: PLC0415 - see above

    _take_engine_flag(settings, words)
    _hand_over(settings)
    elsewhere = _fetched("call", command_line.module_reference(words), settings)
    return calling.call(words, settings) if elsewhere is None else elsewhere


@cli.command()
@click.option("-m", "--mod", "reference", help="Folder of the module.")
@click.argument("words", nargs=-1)
@click.pass_obj
def functions(settings: Any, words: tuple[str, ...], reference: str | None) -> int:
    """List the functions of the module, or of what a function returns."""
    from wheelhouse_engine.cli import calling  # noqa: PLC0415 - see above

    _hand_over(settings)
    elsewhere = _fetched("functions", reference, settings)
    return calling.functions(words, reference, settings) if elsewhere is None else elsewhere


@cli.command()
@click.option("-m", "--mod", "reference", help="Folder of the module.")
@click.option("-l", "--list", "only_list", is_flag=True, help="List the checks, run none.")
@click.option("--failfast", is_flag=True, help="Stop the others when one fails.")
@click.option("--no-generate", is_flag=True, help="Leave out generators.")
@click.option("--generate", is_flag=True, help="Run generators only.")
@click.argument("patterns", nargs=-1)
@click.pass_obj
def check(settings: Any, /, **choice: Any) -> int:
    """Run the module's checks, all at once."""
    from wheelhouse_engine.cli import checking  # noqa: PLC0415 - see above

    _hand_over(settings)
    elsewhere = _fetched("check", choice["reference"], settings)
    return checking.check(checking.Choice(**choice), settings) if elsewhere is None else elsewhere


@cli.command(**_RAW)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def plan(settings: Any, words: tuple[str, ...]) -> int:
    """Print the operations a call would need, without running any."""
    from wheelhouse_engine.cli import planning  # noqa: PLC0415 - see above

    return planning.plan(words, settings)


@cli.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(settings: Any, command: tuple[str, ...]) -> int:
    """Run any program with a session that its Dagger client finds."""
    from wheelhouse_engine.cli import running  # noqa: PLC0415 - see above

    _hand_over(settings)
    return running.run(command, settings)


@cli.command()
@click.option("--label", multiple=True, help="Accepted for the client's sake.")
@click.option("--workdir", help="Folder that relative paths start from.")
@click.option("--project", help="Accepted for the client's sake.")
@click.option("--load-workspace-modules", is_flag=True, help="Accepted for the client's sake.")
@click.option("--version", "client_version", help="Accepted for the client's sake.", hidden=True)
@click.pass_obj
def session(settings: Any, /, workdir: str | None, **_accepted: Any) -> int:
    """Serve one session; ends when stdin closes."""
    from wheelhouse_engine.cli import running  # noqa: PLC0415 - see above
    from wheelhouse_engine.privileges import enter_user_namespace  # noqa: PLC0415 - see above

    enter_user_namespace(settings.arguments, settings.environ)
    return running.session(workdir, settings)


@cli.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--yes", is_flag=True, help="Run the lines without asking.")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def reproduce(settings: Any, words: tuple[str, ...], *, yes: bool) -> int:
    """Run the lines of a report's failures, or one line, and say whether the same failure came."""
    from wheelhouse_engine.cli import changes, reproducing  # noqa: PLC0415 - see above

    consent = changes.Consent(yes, changes.ask_on(sys.stdin, sys.stderr))
    shared = settings.arguments[: settings.arguments.index("reproduce")]
    return reproducing.reproduce(words, shared, consent)


@cli.command()
def doctor() -> int:
    """Check what this machine has for the embedded engine; each finding with its fix."""
    from wheelhouse_engine import doctor as checks  # noqa: PLC0415 - see above

    return checks.main(sys.stdout)


@cli.command()
@click.option("--keep-storage", default="0", metavar="SIZE", help="How much to keep, such as 10GB.")
@click.pass_obj
def prune(settings: Any, keep_storage: str) -> int:
    """Remove what the store keeps, the least recently used first."""
    from wheelhouse_engine.cli import pruning  # noqa: PLC0415 - see above
    from wheelhouse_engine.privileges import enter_user_namespace  # noqa: PLC0415 - see above

    enter_user_namespace(settings.arguments, settings.environ)
    return pruning.prune(keep_storage, settings)


@cli.command()
def version() -> int:
    """Print the version."""
    from importlib.metadata import version as installed_version  # noqa: PLC0415 - 0.03 s

    click.echo(f"wheelhouse {installed_version('wheelhouse-engine')}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code: no traceback for a user's mistake.

    0 done, 1 failed, 2 canceled, else the exit code of the process that failed in a container.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or "-d" in words
    environ = dict(os.environ)  # module code sees less of it
    try:
        return int(cli.main(args=words, obj=tuple(words), prog_name="wheelhouse", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        sys.stderr.write(f"Error: {error.format_message()}\nRun 'wheelhouse --help' for usage.\n")
        return EXIT_FAILED
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("Canceled.\n")
        return EXIT_CANCELED
    except CommandError as error:
        return report(error, sys.stderr, debug=debug)
    except Exception as error:  # noqa: BLE001 - the last place where it can become words
        return report(with_disk_named(error, environ), sys.stderr, debug=debug)
    finally:
        _show_again()


def _show_again() -> None:
    """Give the rest of this process its whole client back, if a module was loaded."""
    if (hiding := sys.modules.get("wheelhouse_engine.cli.hiding")) is not None:
        hiding.show_again()


def _take_engine_flag(settings: Any, words: Sequence[str]) -> None:
    """Read `--engine` behind the verb too: it decides before anything else is parsed."""
    for index, word in enumerate(words):
        if word.startswith("--engine="):
            settings.engine = word.removeprefix("--engine=")
        elif word == "--engine" and index + 1 < len(words):
            settings.engine = words[index + 1]


def _fetched(verb: str, reference: str | None, settings: Any) -> int | None:
    """Run the command in a container if its module comes from elsewhere; None where it does not."""
    from wheelhouse_engine.cli.remote import is_fetched  # noqa: PLC0415 - see above

    if not is_fetched(reference, settings.environ):
        return None
    from wheelhouse_engine.cli import fetched  # noqa: PLC0415 - only for modules of elsewhere

    return fetched.run(verb, reference, settings)


def _hand_over(settings: Any) -> None:
    """Become `dagger` when that is the engine to use."""
    from wheelhouse_engine.cli.engines import become_dagger, choose_engine, without_engine  # noqa: PLC0415
    from wheelhouse_engine.privileges import enter_user_namespace  # noqa: PLC0415

    if choose_engine(settings.engine, settings.environ) == "dagger":
        become_dagger(without_engine(settings.arguments), settings.environ, sys.stderr)
    enter_user_namespace(settings.arguments, settings.environ)
