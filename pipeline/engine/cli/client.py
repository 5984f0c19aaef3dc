"""Start the Dagger client in this process without waiting for what a command does not use.

Type checks: the client decorates its 700 methods with beartype when it is imported, which is half of the
import's time (measured: 0.54 s of 1.1 s). A command uses a handful of them, so each method is decorated
when it is first called: the same checks, later. Should the client stop using beartype, nothing changes.

Converters: the client makes one for every step of a chain (measured: 1.3 ms each, 366 of them in a build of
the reference image), though only lists of objects need their own. The others share one.
"""

import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final, Self

import typing_extensions

PLAIN: Final = (str, int, bool, float, list[str], list[int])
"""What most leaves return: no object of the client in it."""


def import_client() -> None:
    """Import `dagger`; raises ModuleNotFoundError when it is not installed."""
    if "dagger" in sys.modules:
        return
    try:
        import beartype  # noqa: PLC0415 - belongs to the client, not to this program
    except ModuleNotFoundError:
        import dagger  # noqa: PLC0415 - the point of this function

        return
    original = beartype.beartype
    beartype.beartype = _deferring(original)
    # Its own command line, which httpx loads when rich and pygments are there: 0.1 s that nothing here uses.
    modules: dict[str, Any] = sys.modules
    modules.setdefault("httpx._main", None)
    try:
        import dagger  # noqa: F401, PLC0415 - see above
    finally:
        beartype.beartype = original
        if modules["httpx._main"] is None:
            del modules["httpx._main"]
    _share_converters()


def _share_converters() -> None:
    """Let the client's contexts share what does not depend on them."""
    core = sys.modules.get("dagger.client._core")
    make: Any = getattr(core, "make_converter", None)
    if core is None or not callable(make):
        return
    shared = make(None)

    class Converter:
        """Answer as the client's own converter; make that one when a type needs it."""

        def __init__(self, context: Any) -> None:
            self.context = context
            self.unstructure = shared.unstructure

        def structure(self, value: Any, kind: Any) -> Any:
            plain = kind in PLAIN
            return (shared if plain else make(self.context)).structure(value, kind)

        def __getattr__(self, name: str) -> Any:
            return getattr(make(self.context), name)

    vars(core)["make_converter"] = Converter


def _deferring(beartype: Any) -> Any:
    """Give a stand-in for beartype that decorates classes later and everything else now."""

    def stand_in(*positional: Any, **named: Any) -> Any:
        made = beartype(*positional, **named)
        return _later(made) if named and not positional else made

    return stand_in


def _later(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(thing: Any) -> Any:
        if not isinstance(thing, type):
            return check(thing)
        for name, method in list(vars(thing).items()):
            if isinstance(method, FunctionType):
                setattr(thing, name, _on_first_call(thing, method, check))
        return thing

    return decorate


def _on_first_call(owner: type, method: FunctionType, check: Callable[[Any], Any]) -> Any:
    """Wrap a method so that its first call puts the checked one in its place."""

    @functools.wraps(method)
    def first(self: Any, *positional: Any, **named: Any) -> Any:
        if vars(owner).get(method.__name__) is first:
            for name, hint in method.__annotations__.items():
                if hint in (Self, typing_extensions.Self):
                    method.__annotations__[name] = owner  # outside its class beartype cannot know it
            setattr(owner, method.__name__, check(method))
        return vars(owner)[method.__name__](self, *positional, **named)

    return first
