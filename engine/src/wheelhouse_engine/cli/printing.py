"""Print results on stdout as `dagger call` prints them."""

import dataclasses
import enum
import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO

from wheelhouse_engine.cli.names import namespaced
from wheelhouse_engine.cli.queries import CoreRef
from wheelhouse_engine.cli.signatures import TypeRef

MAX_PLAIN_EXPONENT: Final = 21
"""Source: strconv.FormatFloat's threshold for JSON numbers, which Go writes plainly below 1e21."""


def result_text(ref: TypeRef, value: Any, *, as_json: bool, module_name: str) -> str:
    """Write a result: text as it is, lists one per line, objects as `Type@digest`.

    JSON is indented by four spaces and not used for objects, as Dagger does.
    """
    if ref.kind == "void":
        return ""
    if ref.leaf.kind == "object":
        return _objects(value, module_name)
    plain = _plain(value)
    if as_json:
        return json.dumps(plain, indent=4, ensure_ascii=False) + "\n"
    return _lines(plain)


def print_result(text: str, stdout: TextIO) -> None:
    """Write the text; on a terminal end it with a newline."""
    stdout.write(text)
    if text and not text.endswith("\n") and stdout.isatty():
        stdout.write("\n")
    stdout.flush()


def save_text(text: str, path: Path) -> Path:
    """Write the text to a file, with the folders it needs; return the absolute path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path.absolute()


def object_digest(value: Any) -> str:
    """Digest an own object by its fields; core objects in it count by type only."""
    fields = dataclasses.asdict(value) if _is_plain_dataclass(value) else _state(value)
    return hashlib.sha256(repr((type(value).__qualname__, fields)).encode()).hexdigest()[:32]


def _objects(value: Any, module_name: str, mark: str = "") -> str:
    if isinstance(value, list | tuple):
        return "".join(_objects(one, module_name, f"{mark}- ") for one in value)
    if value is None:
        return f"{mark}<nil>\n"
    if isinstance(value, CoreRef):
        return f"{mark}{value.type}@sha256:{value.id}\n"
    return f"{mark}{namespaced(type(value).__name__, module_name)}@sha256:{object_digest(value)}\n"


def _lines(value: Any) -> str:
    if isinstance(value, list):
        return "".join(f"{_lines(item)}\n" for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<nil>"
    return value if isinstance(value, str) else str(value)


def _plain(value: Any) -> Any:
    """Turn a Python value into JSON's: enum members by name, whole floats as integers."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 10**MAX_PLAIN_EXPONENT
        return int(value) if whole else value
    return str(value) if isinstance(value, str | Decimal) else value


def _is_plain_dataclass(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and all(
        isinstance(getattr(value, field.name), str | int | float | None)
        for field in dataclasses.fields(value)
    )


def _state(value: Any) -> list[tuple[str, str]]:
    """Give the fields as text, without addresses in memory."""
    held = getattr(value, "__dict__", {})
    return [
        (name, repr(one) if isinstance(one, str | int | float | None) else type(one).__qualname__)
        for name, one in sorted(held.items())
    ]
