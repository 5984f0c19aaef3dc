"""What is set on the main object reaches the checks, too."""

from dataclasses import fields
from typing import Any

from pipeline.dagger_checks import Checks
from pipeline.main import Wheelhouse
from pipeline.settings import Settings


def test_arguments_are_declared_once() -> None:
    """The main object and the checks have the fields of the settings and none of their own."""
    declared = {field.name for field in fields(Settings)}

    assert "source" in declared
    for holder in (Wheelhouse, Checks):
        assert {field.name for field in fields(holder)} == declared
        assert not vars(holder).get("__annotations__")


def test_the_client_offers_the_inherited_arguments() -> None:
    """A constructor argument of a base class is one of the constructor, with its default and help."""
    main: Any = Wheelhouse
    constructor = main.__dagger_object_type__.get_constructor()

    assert set(constructor.parameters) == {field.name for field in fields(Settings)}


def test_what_is_set_is_passed_on() -> None:
    """`checks` works on the same model server and shares through the same cache."""
    # Constructors as the SDK's decorators make them, which mypy does not see.
    main: Any = Wheelhouse
    checks = main(source=None, cache="registry.example/cache", cache_username="me").checks()

    assert (checks.cache, checks.cache_username) == ("registry.example/cache", "me")
