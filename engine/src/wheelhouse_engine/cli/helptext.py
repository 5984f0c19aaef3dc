"""Lay out help the way `dagger call --help` does."""

import json
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Final

from wheelhouse_engine.cli.flags import Option
from wheelhouse_engine.cli.names import kebab
from wheelhouse_engine.cli.signatures import MISSING, Argument, Function, is_flag
from wheelhouse_engine.cli.values import type_word

MIN_NAME_WIDTH: Final = 11
MAX_WIDTH: Final = 100
_ZERO: Final = (None, "", 0, 0.0, False)


def function_help(path: str, function: Function, following: Sequence[Function]) -> str:
    """Explain one step: description, usage, what may follow, arguments.

    `path` is the command so far, such as `wheelhouse call build`.
    """
    arguments = [argument for argument in function.arguments if is_flag(argument.type)]
    usage = path + (" [arguments]" if arguments else "") + (" <function>" if following else "")
    parts = [function.doc.strip(), f"USAGE\n  {usage}"]
    parts += [f"FUNCTIONS\n{function_table(following)}"] if following else []
    parts += [f"ARGUMENTS\n{argument_table(arguments)}"] if arguments else []
    parts += [_footer(path)] if following else []
    return "\n\n".join(part for part in parts if part) + "\n"


def command_help(path: str, about: str, sections: Sequence[tuple[str, str]]) -> str:
    """Explain a whole command: what it does, its usage, and titled sections."""
    parts = [about, *(f"{title}\n{body}" for title, body in sections if body), _footer(path)]
    return "\n\n".join(parts) + "\n"


def function_table(functions: Iterable[Function]) -> str:
    """List functions with the first line of their descriptions."""
    return name_table((kebab(function.name), function.short) for function in functions)


def name_table(rows: Iterable[tuple[str, str]]) -> str:
    """Align names and descriptions, the latter wrapped to the terminal."""
    pairs = list(rows)
    width = max([MIN_NAME_WIDTH, *(len(name) for name, _ in pairs)])
    return "\n".join(_hanging(f"  {name.ljust(width)}   ", text) for name, text in pairs)


def argument_table(arguments: Iterable[Argument]) -> str:
    """List a function's flags, the required ones first."""
    ordered = sorted(arguments, key=lambda a: (not a.required, kebab(a.name)))
    rows = []
    for argument in ordered:
        left = f"      --{kebab(argument.name)} {type_word(argument.type)}".rstrip()
        rows.append((left, " ".join(_argument_words(argument))))
    return _columns(rows)


def option_table(options: Iterable[Option]) -> str:
    """List the command's own flags."""
    rows = []
    for option in options:
        short = f"-{option.short}, " if option.short else "    "
        word = option.word or type_word(option.type)
        rows.append((f"  {short}--{option.name} {word}".rstrip(), option.doc))
    return _columns(rows)


def shown_default(argument: Argument) -> str:
    """Spell the default as help shows it; "" for none or for the type's zero."""
    default: Any = argument.default
    if default is MISSING or default in _ZERO or default == []:
        return ""
    if isinstance(default, list):
        return f"[{','.join(map(str, default))}]"
    if argument.type.kind == "string":
        return json.dumps(default, ensure_ascii=False)
    return f"{default:g}" if isinstance(default, float) else str(default)


def _argument_words(argument: Argument) -> Iterable[str]:
    if argument.doc:
        yield " ".join(argument.doc.split())
    if argument.required:
        yield "[required]"
    if default := shown_default(argument):
        yield f"(default {default})"
    if argument.default_path or argument.default_address:
        yield f"(default {argument.default_path or argument.default_address})"


def _columns(rows: Sequence[tuple[str, str]]) -> str:
    width = min(max((len(left) for left, _ in rows), default=0), MAX_WIDTH // 2)
    return "\n".join(_hanging(left.ljust(width) + "   ", right) for left, right in rows)


def _hanging(left: str, right: str) -> str:
    """Put `right` behind `left`, its further lines below its first."""
    width = min(shutil.get_terminal_size((MAX_WIDTH, 24)).columns, MAX_WIDTH)
    lines = textwrap.wrap(right, max(width - len(left), 24), break_on_hyphens=False) or [""]
    return (left + ("\n" + " " * len(left)).join(lines)).rstrip()


def _footer(path: str) -> str:
    return f'Use "{path} [command] --help" for more information about a command.'
