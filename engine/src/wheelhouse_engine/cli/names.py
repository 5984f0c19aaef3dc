"""Spell names as Dagger's command line does, and find the near miss."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

_WORD_BOUNDARY: Final = re.compile(
    r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Za-z])|(?<=[A-Z])(?=[0-9])|(?<=[A-Z])(?=[A-Z][a-z])"
)
"""Source: the splitting rules of iancoleman/strcase 0.3.0, which Dagger's CLI uses; digits are words."""


def kebab(name: str) -> str:
    """Spell a name for the command line: `build_cu121` and `buildCu121` give `build-cu-121`."""
    return re.sub(r"[ _.-]", "-", _WORD_BOUNDARY.sub("-", name.strip())).lower()


def pascal(name: str) -> str:
    """Spell a module's name as its class: `my-module` gives `MyModule`."""
    words = re.split(r"[^A-Za-z0-9]+", name)
    return "".join(word[:1].upper() + word[1:] for word in words)


def camel(name: str) -> str:
    """Spell a name as GraphQL does: `sync_str` gives `syncStr`."""
    first, *others = re.split(r"[ _.-]+", name.strip("_"))
    return first[:1].lower() + first[1:] + "".join(one[:1].upper() + one[1:] for one in others)


def snake(name: str) -> str:
    """Spell an API name as Python does: `registryService` gives `registry_service`."""
    return kebab(name).replace("-", "_")


def api_name(python_name: str) -> str:
    """Drop the one trailing underscore that keeps a name off Python's keywords: `from_` gives `from`."""
    if python_name.endswith("_") and not python_name.endswith("__") and not python_name.startswith("_"):
        return python_name[:-1]
    return python_name


def namespaced(class_name: str, module_name: str) -> str:
    """Name an own type as the API does: `Item` of module `sample` is `SampleItem`, `Sample` stays."""
    module = pascal(module_name)
    rest = class_name.removeprefix(module)
    if rest != class_name and (not rest or rest[0].isupper()):
        return class_name
    return module + class_name


def near_miss(word: str, choices: Iterable[str]) -> str:
    """Give the choice that `word` was most likely meant to be, or ""."""
    by_folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else ""
