"""Turn the text of a flag into a value of its type, refusing as Dagger's flags refuse."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wheelhouse_engine.cli.names import near_miss
from wheelhouse_engine.cli.signatures import TypeRef

_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")
_FALSE: Final = ("0", "f", "F", "FALSE", "false", "False")
"""Source: strconv.ParseBool, which Dagger's flags use."""
_QUOTES: Final = str.maketrans("", "", "\"'`")
INT64_MAX: Final = 2**63 - 1


class FlagValueError(Exception):
    """Say why a text is no value of its type; `meant` is the near miss."""

    def __init__(self, message: str, meant: str = "") -> None:
        super().__init__(message)
        self.meant = meant


@dataclass(frozen=True, slots=True)
class Address:
    """Name a core object by the text the user gave: a path, an image, `env://TOKEN`."""

    type: str
    text: str
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InputValue:
    """Hold the fields of an input object."""

    type: str
    fields: Mapping[str, Any]


def parse_value(ref: TypeRef, text: str) -> Any:
    """Read one flag's text: a list type gives a list.

    Raises:
        FlagValueError: the text is no value of the type.

    """
    if ref.kind == "list" and ref.element is not None:
        return [parse_value(ref.element, item) for item in _items(ref.element, text)]
    if ref.kind == "object":
        return _address(ref, text)
    if ref.kind == "input":
        return _INPUTS[ref.name](text)
    if ref.kind == "enum":
        return _member(ref, text)
    if ref.kind == "scalar" and ref.name == "Platform":
        return _platform(text)
    return _PRIMITIVES.get(ref.kind, str)(text)


def type_word(ref: TypeRef) -> str:
    """Name the type as help shows it: `string`, `ints`, `CPU,GPU`, `[]Secret`; "" for a boolean."""
    if ref.kind == "list" and ref.element is not None:
        plain = {"string": "strings", "integer": "ints", "float": "floats", "boolean": "bools"}
        word = type_word(ref.element)
        return plain.get(ref.element.kind) or (word if ref.element.kind == "enum" else f"[]{word}")
    words = {"integer": "int", "boolean": "", "enum": ",".join(ref.members)}
    if ref.kind == "scalar":
        return ref.name if ref.name == "Platform" else "string"
    return words.get(ref.kind, ref.name if ref.kind in ("object", "input") else ref.kind)


def _items(element: TypeRef, text: str) -> list[str]:
    """Split a list's text: CSV for words, plain commas for numbers, quotes dropped for the rest."""
    if element.kind in ("integer", "float"):
        return text.split(",")
    if element.kind not in ("string", "scalar"):
        text = text.translate(_QUOTES)
    if not text:
        return []
    try:
        words = next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise FlagValueError(f"parse error in a comma-separated list: {error}") from error
    return words if element.kind in ("string", "scalar") else [word.strip() for word in words]


def _integer(text: str) -> int:
    try:
        octal = text.lstrip("+-").startswith("0") and text.lstrip("+-").isdigit()
        value = int(text, 8 if octal else 0)
    except ValueError:
        raise FlagValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if not -INT64_MAX - 1 <= value <= INT64_MAX or text != text.strip():
        raise FlagValueError(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise FlagValueError(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None


def _boolean(text: str) -> bool:
    if text not in _TRUE + _FALSE:
        raise FlagValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def _member(ref: TypeRef, text: str) -> str:
    by_folded = {member.casefold(): member for member in ref.members}
    if text.casefold() not in by_folded:
        choices = ",".join(ref.members)
        raise FlagValueError(f"value should be one of {choices}", near_miss(text, ref.members))
    return by_folded[text.casefold()]


def _address(ref: TypeRef, text: str) -> Address:
    if not text:
        raise FlagValueError(f"{ref.name[0].lower()}{ref.name[1:]} address cannot be empty")
    return Address(ref.name, text)


def _platform(text: str) -> str:
    if not text:
        raise FlagValueError("platform cannot be empty")
    return current_platform() if text == "current" else text


def current_platform() -> str:
    """Give this machine's platform as image indexes spell it, such as `linux/amd64`."""
    import platform  # noqa: PLC0415 - only the word `current` needs it

    machine = platform.machine().lower()
    return f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"


def _build_arg(text: str) -> InputValue:
    name, found, value = text.strip('"').partition("=")
    if not found or not name:
        raise FlagValueError(f"{text} must be formatted as name=value")
    return InputValue("BuildArg", {"name": name, "value": value})


def _port_forward(text: str) -> InputValue:
    frontend, found, backend = text.partition(":")
    if not found or not frontend.isdecimal() or not backend.isdecimal():
        raise FlagValueError(f'portForward setting not in the form of frontend:backend: "{text}"')
    return InputValue("PortForward", {"frontend": int(frontend), "backend": int(backend)})


_INPUTS: Final[Mapping[str, Callable[[str], InputValue]]] = {
    "BuildArg": _build_arg,
    "PortForward": _port_forward,
}
_PRIMITIVES: Final[Mapping[str, Callable[[str], Any]]] = {
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
}
