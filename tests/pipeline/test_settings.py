"""What is set on the main object reaches the checks, too."""

import typing
from typing import Any

from pipeline.dagger_checks import Checks
from pipeline.main import Wheelhouse
from pipeline.settings import NAMES


def test_checks_are_given_every_setting() -> None:
    """A field of the main object is one of the settings and a field of the checks, of the same type."""
    main, checks = typing.get_type_hints(Wheelhouse), typing.get_type_hints(Checks)

    assert set(NAMES) == set(main) == set(checks)
    assert {name: checks[name] for name in NAMES} == {name: main[name] for name in NAMES}


def test_what_is_set_is_passed_on() -> None:
    """`checks` works on the same model server and shares through the same cache."""
    # Constructors as the SDK's decorators make them, which mypy does not see.
    main: Any = Wheelhouse
    checks = main(source=None, cache="registry.example/cache", cache_username="me").checks()

    assert (checks.cache, checks.cache_username) == ("registry.example/cache", "me")
