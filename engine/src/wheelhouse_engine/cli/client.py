"""Start the Dagger client in this process without waiting for what a command does not use.

Type checks: the client decorates its 700 methods with beartype when it is imported, which is half of the
import's time (measured: 0.54 s of 1.1 s). A command uses a handful of them, so each method is decorated
when it is first called: the same checks, later. Should the client stop using beartype, nothing changes.

Converters: the client makes one for every step of a chain (measured: 1.3 ms each, 366 of them in a build of
the reference image), though only lists of objects need their own. The others share one.

Telemetry: the client imports OpenTelemetry's SDK (measured: 0.1 s), which is switched off here. It is loaded
when something of it is asked for.

Ids: the client asks for an object's id each time the object is an argument (measured: 3 ms each, 60 of the
130 queries of a scan ask what was asked before). An id is the digest of a chain, so it is asked for once.
"""

import functools
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import FunctionType
from typing import Any, Final, Self
from weakref import WeakKeyDictionary

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
    _defer_telemetry()
    try:
        import dagger  # noqa: F401, PLC0415 - see above
    finally:
        beartype.beartype = original
        if modules["httpx._main"] is None:
            del modules["httpx._main"]
    _share_converters()
    _remember_ids()
    _tell_texts_first()


def _defer_telemetry() -> None:
    """Let `dagger.telemetry` be imported at its first use."""
    package = find_spec("dagger")
    spec = PathFinder.find_spec("dagger.telemetry", package.submodule_search_locations if package else None)
    if spec is None or spec.loader is None:
        return
    loader, module = spec.loader, module_from_spec(spec)

    def load(name: str) -> Any:
        """Fill the module when something is asked of it."""
        vars(module).pop("__getattr__", None)
        loader.exec_module(module)
        return getattr(module, name)

    # Not importlib's own lazy loader: a second import of the module would fill it.
    vars(module)["__getattr__"] = load
    sys.modules[spec.name] = module


def _remember_ids() -> None:
    """Let the client ask once in a session for the id of a chain, and never for one that it was given."""
    core = sys.modules.get("dagger.client._core")
    context: Any = getattr(core, "Context", None)
    if not callable(getattr(context, "execute", None)):
        return
    original = context.execute
    known: WeakKeyDictionary[Any, dict[int, tuple[Any, Any]]] = WeakKeyDictionary()

    async def execute(self: Any, return_type: Any = None) -> Any:
        """Run the chain, unless it asks for an id that is known."""
        if len(self.selections) < 2 or self.selections[-1].name != "id":  # noqa: PLR2004 - an object's own id
            return await original(self, return_type)
        held = self.selections[-2]
        if held.name == "node" and held.inline_type is not None:
            return held.args["id"]
        # Chains share steps, and one chain leads to a step. While a step is held, its address is its own.
        ids = known.setdefault(self.conn.session, {})
        if id(held) not in ids:
            ids[id(held)] = held, await original(self, return_type)
        return ids[id(held)][1]

    context.execute = execute


def _tell_texts_first() -> None:
    """Let the client see at a glance that texts and numbers are no objects of it.

    It asks of every argument of every step, by a protocol, which takes 0.02 ms each time.
    """
    core: Any = sys.modules.get("dagger.client._core")
    if not all(callable(getattr(core, name, None)) for name in ("is_id_type", "is_id_type_sequence")):
        return
    single, several = core.is_id_type, core.is_id_type_sequence
    core.is_id_type = lambda value: not isinstance(value, (str, int, list)) and single(value)
    core.is_id_type_sequence = lambda value: (
        isinstance(value, (list, tuple)) and not any(isinstance(one, str) for one in value) and several(value)
    )


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
