"""Parse a whole chain of functions before anything runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from wheelhouse_engine.cli.core import CoreTypes
from wheelhouse_engine.cli.failures import UsageError
from wheelhouse_engine.cli.flags import COUNT, STRING, FlagSet, Option, missing_flags
from wheelhouse_engine.cli.introspect import OwnTypes
from wheelhouse_engine.cli.names import kebab, near_miss
from wheelhouse_engine.cli.signatures import Function, ObjectType, TypeRef, is_flag

CALL_OPTIONS: Final = (
    Option("json", "Print the result as JSON", short="j"),
    Option("mod", "Folder of the module to load (default: the nearest dagger.json)", STRING, "m"),
    Option("output", "Save the result to a file or folder of this machine", STRING, "o", "path"),
)
SHARED_OPTIONS: Final = (
    Option("auto-apply", "Apply a returned changeset without asking", short="y"),
    Option("debug", "Show the traceback of an error", short="d"),
    Option("engine", "Engine that does the work: dagger or embedded", STRING),
    Option("interactive", "Open a terminal where an exec failed", short="i"),
    Option("interactive-command", 'What that terminal runs (default "/bin/sh")', STRING),
    Option("progress", "How to show progress: auto, plain, tty, dots or logs", STRING),
    Option("quiet", "Show less; nothing stays when it is done", COUNT, "q", " "),
    Option("silent", "Show no progress at all", short="s"),
    Option("verbose", "Show more: cached operations and all output", COUNT, "v", " "),
)
IGNORED_OPTIONS: Final = (
    Option("allow-llm", "Only for a Dagger engine", STRING),
    Option("eager-runtime", "Only for a Dagger engine"),
    Option("lock", "Only for a Dagger engine", STRING),
    Option("no-exit", "Only for a Dagger engine", short="E"),
    Option("no-mod", "Only for a Dagger engine", short="M"),
    Option("web", "Only for a Dagger engine", short="w"),
    Option("x-release", "Only for a Dagger engine", STRING),
)
_HELP: Final = ("--help", "-h")

Defaults = Callable[[Function, bool], Mapping[str, str]]
"""Give the user's own defaults (texts, by API name) of a function; True for the constructor."""


class ModuleTypes:
    """Look up own types first, then the core's, which are read when first needed."""

    def __init__(self, own: OwnTypes, load_core: Callable[[], CoreTypes]) -> None:
        self.own = own
        self._load_core = load_core
        self._core: CoreTypes | None = None

    @property
    def core(self) -> CoreTypes:
        """Give the core types."""
        if self._core is None:
            self._core = self._load_core()
        return self._core

    def object(self, ref: TypeRef) -> ObjectType | None:
        """Give the type that `ref`, or its list's member, names; None for a type without functions."""
        leaf = ref.leaf
        if leaf.kind != "object":
            return None
        return self.core.object(leaf.name) if leaf.own is None else self.own.object(leaf.own)


@dataclass(frozen=True, slots=True)
class Step:
    """Hold one function of the chain with the values its flags gave."""

    function: Function
    values: Mapping[str, Any]
    path: str


@dataclass(frozen=True, slots=True)
class Chain:
    """Hold a parsed command line: the constructor's step, then one step per function."""

    steps: tuple[Step, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    wants_help: bool = False

    @property
    def last(self) -> Step:
        """Give the step whose result is the command's."""
        return self.steps[-1]


def no_defaults(_function: Function, _constructor: bool) -> Mapping[str, str]:
    """Give no user defaults."""
    return {}


def parse_chain(
    words: Sequence[str], types: ModuleTypes, path: str, defaults: Defaults = no_defaults
) -> Chain:
    """Parse everything behind `call`.

    Raises:
        UsageError: an unknown function or flag, a wrong value, a required flag that is not set.

    """
    wants_help = any(word in _HELP for word in words)
    left = [word for word in words if word not in _HELP]
    function = types.own.constructor()
    options: dict[str, Any] = {}
    steps: list[Step] = []
    while True:
        flags = FlagSet(function.arguments, (*CALL_OPTIONS, *SHARED_OPTIONS, *IGNORED_OPTIONS), path)
        parsed = flags.parse(left)
        options |= parsed.options
        values = _with_defaults(function, parsed.values, flags, defaults(function, not steps))
        if not wants_help:
            missing_flags(function.arguments, values, path)
        steps.append(Step(function, values, path))
        if not parsed.rest:
            return Chain(tuple(steps), options, wants_help)
        word, *left = parsed.rest
        function = next_function(types.object(function.returns), word, path)
        path = f"{path} {word}"


def next_function(holder: ObjectType | None, word: str, path: str) -> Function:
    """Find the function that `word` names on an object.

    Raises:
        UsageError: there is none; suggests the near miss.

    """
    offered = {kebab(f.name): f for f in holder.functions} if holder else {}
    if word not in offered:
        cannot_be_called = holder is not None and word in holder.skipped
        meant = "" if cannot_be_called else near_miss(word, offered)
        raise UsageError(f'unknown command "{word}" for "{path}"', path, meant)
    return offered[word]


def module_reference(words: Sequence[str]) -> str | None:
    """Find the value of `-m`, which must be known before the module's own flags are."""
    after_flag = False
    for index, word in enumerate(words):
        if word in ("-m", "--mod"):
            return words[index + 1] if index + 1 < len(words) else None
        for prefix in ("--mod=", "-m=", "-m"):
            if word.startswith(prefix) and not word.startswith("--mo" if prefix == "-m" else "\0"):
                return word.removeprefix(prefix)
        if not word.startswith("-") and not after_flag:
            return None
        after_flag = word.startswith("-") and "=" not in word
    return None


def _with_defaults(
    function: Function, given: Mapping[str, Any], flags: FlagSet, texts: Mapping[str, str]
) -> dict[str, Any]:
    values = dict(given)
    for argument in function.arguments:
        if argument.name in texts and argument.name not in values and is_flag(argument.type):
            values[argument.name] = flags.convert(kebab(argument.name), argument.type, texts[argument.name])
    return values
