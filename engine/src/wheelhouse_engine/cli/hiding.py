"""Hide from modules what a Dagger engine does not generate for them: the host and the engine.

A module's client on a Dagger engine is generated without these types and without every field that leads to
them. The client here is the installed one, so they are taken out of it while a module is loaded and called.
"""

import sys
from types import ModuleType
from typing import Any, Final

HIDDEN: Final = frozenset({"Host", "Engine", "EngineCache", "EngineCacheEntry", "EngineCacheEntrySet"})
"""Source: TypesHiddenFromModuleSDKs and TypesToIgnoreForModuleIntrospection of core, v0.21.8."""
_taken: list[tuple[Any, str, Any]] = []


def hide_from_modules() -> None:
    """Take the hidden types, and all fields that return them, out of the client that is imported."""
    places = [sys.modules[name] for name in ("dagger", "dagger.client.gen") if name in sys.modules]
    for place in places:
        kinds = [one for one in vars(place).values() if isinstance(one, type) and one.__name__ not in HIDDEN]
        for kind in kinds:
            for name, member in list(vars(kind).items()):
                if _leads_to_hidden(member):
                    _take(kind, name)
        for name in (*HIDDEN, *(f"{one}ID" for one in HIDDEN)):
            if name in vars(place):
                _take(place, name)


def show_again() -> None:
    """Put back what was taken: a program that goes on after a command has its whole client."""
    while _taken:
        place, name, member = _taken.pop()
        setattr(place, name, member)


def _take(place: ModuleType | type, name: str) -> None:
    _taken.append((place, name, vars(place)[name]))
    delattr(place, name)


def _leads_to_hidden(member: object) -> bool:
    """Tell a method that returns a hidden type."""
    returned = getattr(member, "__annotations__", {}).get("return") if callable(member) else None
    return getattr(returned, "__name__", returned) in HIDDEN
