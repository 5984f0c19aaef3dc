"""Error messages about pyproject.toml: file and line, key, found, expected, fix."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from pipeline.errors import near_miss

TABLE: Final = "tool.wheelhouse"
FILE: Final = "pyproject.toml"
HEADER: Final = re.compile(r"^\[{1,2}\s*([^\]]+?)\s*\]{1,2}\s*(#.*)?$")
KEY: Final = re.compile(r"^([A-Za-z0-9_.\"'-]+)\s*=")
KINDS: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "string_too_short": "text that is not empty",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "float_type": "a number",
}
"""Type of a pydantic finding -> what was expected."""
PATTERNS: Final = {
    r"^3\.[0-9]+$": 'a Python 3 as X.Y, e.g. "3.13"',
    r"^/": "a path that starts with /",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "a name of letters, digits and _ that does not start with a digit",
    r"^[a-z0-9][a-z0-9+.-]+$": "the name of a Debian package, in lower case",
    r"^([0-9a-f]{64})?$": "64 hexadecimal digits",
    r"\S": "text that is not empty",
    r"^(/|configuration$)": "a path that starts with /, or `configuration`",
}
"""Pattern of the schema -> what was expected."""


def line_of(text: str, table: str, key: str = "") -> int:
    """Return the line of a key in a TOML text, of its table where the key is nowhere, 0 for neither.

    Args:
        text: the file.
        table: dotted name of the table, e.g. `tool.wheelhouse`.
        key: dotted path of the key below the table; inline tables are found by their own key.

    """
    parts = [*table.split("."), *(key.split(".") if key else ())]
    lines: dict[str, int] = {}
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if match := HEADER.match(stripped):
            current = re.sub(r"[\"'\s]", "", match[1])
            lines.setdefault(current, number)
        elif match := KEY.match(stripped):
            name = re.sub(r"[\"']", "", match[1])
            lines.setdefault(f"{current}.{name}" if current else name, number)
    found = (lines.get(".".join(parts[:length])) for length in range(len(parts), 0, -1))
    return next((number for number in found if number), 0)


def place(text: str, table: str, key: str = "") -> str:
    """Return `pyproject.toml:LINE: ` of a key; without a line where there is none."""
    line = line_of(text, table, key)
    return f"{FILE}:{line}: " if line else f"{FILE}: "


def sentences(text: str, details: Sequence[Any], legal_keys: Callable[[list[str]], list[str]]) -> str:
    """Return one line about each pydantic finding."""
    return "\n".join(dict.fromkeys(_sentence(text, detail, legal_keys) for detail in details))


def _sentence(text: str, detail: Any, legal_keys: Callable[[list[str]], list[str]]) -> str:
    scope, *rest = [str(part) for part in detail["loc"]]
    table = "project" if scope == "project" else TABLE
    named = [part for part in rest if part != "[key]"]
    key = ".".join(part for part in named if not part.isdigit())
    start = f"{place(text, table, key)}[{table}] "
    if detail["type"] == "extra_forbidden":
        legal = legal_keys(rest[:-1])
        return (
            f"{start}unknown key {key!r}{near_miss(rest[-1], legal)}; "
            f"expected one of {', '.join(legal)}. Fix or remove {key}."
        )
    if detail["type"] == "missing":
        return f"{start}has no key {key!r}; expected it to be set. Add it."
    choices = re.findall(r"'([^']+)'", str(detail.get("ctx", {}).get("expected", "")))
    item = next((f", item {int(part) + 1}" for part in named if part.isdigit()), "")
    what = "name " if rest[-1:] == ["[key]"] else ""
    found = f"{key}{item} = {written(detail['input'])}{near_miss(str(detail['input']), choices)}"
    return f"{start}{what}{found}; expected {_expected(detail)}. Fix {key}."


def written(value: Any) -> str:
    """Return a value as TOML writes it, or nearly so."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _expected(detail: Any) -> str:
    kind, context = str(detail["type"]), detail.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], f"text that matches {context['pattern']}")
    if kind == "literal_error":
        return f"one of {context['expected']}"
    if kind == "string_too_short" and context["min_length"] > 1:
        return f"a text of at least {context['min_length']} characters"
    if kind == "too_short":
        return f"at least {context['min_length']} item"
    bounds = {"greater_than": "greater than", "less_than": "less than", "less_than_equal": "at most"}
    if kind in bounds:
        limit = context.get("gt", context.get("lt", context.get("le")))
        return f"a number {bounds[kind]} {limit}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return KINDS.get(kind, message[:1].lower() + message[1:])
