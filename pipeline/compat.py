"""What newer Dagger clients offer, taken where the installed one has it: 0.21 and 1.0 load one module."""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar

import dagger
from dagger import function

Function = TypeVar("Function", bound=Callable[..., Any])
CLOSED: Final = "disable_dagger_in_dagger"
"""Argument of clients since 1.0, where each process reaches the engine's API unless it is given."""


def _unmarked(function: Function) -> Function:
    return function


generate: Callable[[Function], Function] = getattr(dagger, "generate", _unmarked)
"""Mark a function whose changeset `dagger generate` applies."""
up: Callable[[Function], Function] = getattr(dagger, "up", _unmarked)
"""Mark a function whose service `dagger up` starts."""


@cache
def without_engine() -> dict[str, Any]:
    """Return the arguments of an exec or service that keep code of others away from the engine's API."""
    return closed_by(dagger.Container.with_exec)


def closed_by(method: Callable[..., Any]) -> dict[str, Any]:
    """Return the argument that closes the engine's API to a process, where a client's method has it."""
    return {CLOSED: True} if CLOSED in inspect.signature(method).parameters else {}


def uncached(method: Function) -> Function:
    """Expose a method as a function of the module that asks the clock, a network or git: never cached."""
    # mypy: the overloads of `function` leave out `cache`, which it accepts at run time.
    exposed: Function = function(cache="never")(method)  # type: ignore[call-overload]
    return exposed
