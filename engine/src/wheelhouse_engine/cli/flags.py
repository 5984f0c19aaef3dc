"""Parse the flags of one step: long and short, with `=` or a following word, until the next function."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from wheelhouse_engine.cli.failures import UsageError
from wheelhouse_engine.cli.names import kebab, near_miss
from wheelhouse_engine.cli.signatures import Argument, TypeRef, is_flag
from wheelhouse_engine.cli.values import FlagValueError, parse_value

STRING: Final = TypeRef("string", "String")
BOOLEAN: Final = TypeRef("boolean", "Boolean")
COUNT: Final = TypeRef("integer", "count")
STRINGS: Final = TypeRef("list", element=STRING)


@dataclass(frozen=True, slots=True)
class Option:
    """Describe a flag of the command itself."""

    name: str
    doc: str
    type: TypeRef = BOOLEAN
    short: str = ""
    word: str = ""
    """Name of the value in help, when the type's is not enough."""


@dataclass(slots=True)
class Parsed:
    """Hold what one step's flags said."""

    values: dict[str, Any] = field(default_factory=dict)
    """Arguments of the function, by API name."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the command, by name."""
    rest: list[str] = field(default_factory=list)
    """The next function and everything behind it."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """Say where a flag's value goes."""

    key: str
    type: TypeRef
    is_option: bool


class FlagSet:
    """Know the flags that may stand at one step of a command line."""

    def __init__(self, arguments: Iterable[Argument], options: Iterable[Option], path: str) -> None:
        self._path = path
        self._long: dict[str, _Slot] = {}
        self._short: dict[str, str] = {}
        for option in options:
            self._long[option.name] = _Slot(option.name, option.type, is_option=True)
            if option.short:
                self._short[option.short] = option.name
        for argument in arguments:  # a function's own flag wins over an option of the same name
            if is_flag(argument.type):
                self._long[kebab(argument.name)] = _Slot(argument.name, argument.type, is_option=False)

    def parse(self, words: Sequence[str]) -> Parsed:
        """Read flags until the first word that is none.

        Raises:
            UsageError: an unknown flag, a flag without its value, or a value of the wrong type.

        """
        parsed = Parsed()
        queue = list(words)
        while queue and queue[0].startswith("-") and queue[0] != "-":
            word = queue.pop(0)
            if word == "--":
                break
            if word.startswith("--"):
                self._take_long(word, queue, parsed)
            else:
                self._take_short(word, queue, parsed)
        parsed.rest = queue
        return parsed

    def _take_long(self, word: str, queue: list[str], parsed: Parsed) -> None:
        name, has_value, text = word[2:].partition("=")
        slot = self._long.get(kebab(name))
        if slot is None:
            meant = near_miss(kebab(name), self._long)
            raise UsageError(f"unknown flag: --{kebab(name)}", self._path, f"--{meant}" if meant else "")
        self._set(kebab(name), slot, text if has_value else None, queue, parsed)

    def _take_short(self, word: str, queue: list[str], parsed: Parsed) -> None:
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            name = self._short.get(letter)
            if name is None:
                raise UsageError(f"unknown shorthand flag: {letter!r} in {word}", self._path)
            slot = self._long[name]
            text = None
            if letters.startswith("="):
                text, letters = letters[1:], ""
            elif letters and not _stands_alone(slot.type):
                text, letters = letters, ""
            self._set(name, slot, text, queue, parsed)

    def _set(self, name: str, slot: _Slot, text: str | None, queue: list[str], parsed: Parsed) -> None:
        held = parsed.options if slot.is_option else parsed.values
        if slot.type is COUNT and text is None:
            held[slot.key] = held.get(slot.key, 0) + 1
            return
        if text is None and _stands_alone(slot.type):
            text = "true"
        if text is None and not queue:
            raise UsageError(f"flag needs an argument: --{name}", self._path)
        text = queue.pop(0) if text is None else text
        value = self.convert(name, slot.type, text)
        held[slot.key] = held.get(slot.key, []) + value if isinstance(value, list) else value

    def convert(self, name: str, ref: TypeRef, text: str) -> Any:
        """Read a value, naming the flag when it is refused; raises UsageError."""
        try:
            return parse_value(ref, text)
        except FlagValueError as refused:
            message = f'invalid argument "{text}" for "--{name}" flag: {refused}'
            raise UsageError(message, self._path, refused.meant) from refused


def missing_flags(arguments: Iterable[Argument], values: Mapping[str, Any], path: str) -> None:
    """Refuse a step whose required flags are not all set.

    Raises:
        UsageError: names every missing flag.

    """
    names = [kebab(a.name) for a in arguments if a.required and a.name not in values]
    if names:
        listed = '", "'.join(sorted(names))
        raise UsageError(f'required flag(s) "{listed}" not set', path)


def _stands_alone(ref: TypeRef) -> bool:
    """Say whether the flag needs no value."""
    return ref.kind == "boolean" or ref is COUNT
