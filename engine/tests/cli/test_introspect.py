"""A module's classes are described from what the SDK leaves in public."""

import dagger
import pytest

from wheelhouse_engine.cli.introspect import is_optional, type_of
from wheelhouse_engine.cli.project import Project
from wheelhouse_engine.cli.signatures import MISSING, Function


def function(garden: Project, name: str, cls: type | None = None) -> Function:
    """Find one function of the main object, or of another class."""
    held = garden.types.own.object(cls or garden.types.own.main)
    return next(one for one in held.functions if one.name == name)


def test_functions_and_fields_are_listed_in_order(garden):
    """Functions and exposed fields are listed by name; private fields are not."""
    names = [one.name for one in garden.types.own.object(garden.types.own.main).functions]

    assert names == sorted(names, key=lambda n: n.replace("_", "-"))
    assert "beds" in names
    assert "greeting" not in names


def test_a_function_that_needs_an_own_object_is_skipped(garden):
    """A required argument that no flag can carry makes the function uncallable, and it is counted."""
    held = garden.types.own.object(garden.types.own.main)

    assert held.skipped == ("graft", "with")


def test_the_description_keeps_all_paragraphs_and_shows_the_first_line(garden):
    """The docstring is the description, its first line the short one."""
    greet = function(garden, "greet")

    assert greet.short == "Greet someone."
    assert greet.doc.endswith("A second paragraph.")


def test_pieces_of_an_annotation_are_read(garden):
    """Doc, DefaultPath, Ignore and Name are found in annotations."""
    greeting, beds = garden.types.own.constructor().arguments
    (season,) = function(garden, "season").arguments
    (renamed,) = function(garden, "path").arguments

    assert (greeting.doc, greeting.default, greeting.required) == ("What to say", "hello", False)
    assert (beds.default_path, beds.ignore, beds.required) == ("/beds", ("*.log",), False)
    assert (season.default, season.type.members) == ("SPRING", ("HIGH_SUMMER", "SPRING"))
    assert (renamed.name, renamed.python, renamed.required) == ("from", "from_", True)


def test_an_optional_argument_has_no_shown_default(garden):
    """None is a default that help leaves out, and Python keeps."""
    (word,) = function(garden, "maybe").arguments

    assert (word.required, word.default, word.has_python_default) == (False, None, True)


def test_checks_are_marked(garden):
    """`check` is seen in either order of the decorators."""
    assert function(garden, "weeded").is_check
    assert not function(garden, "greet").is_check


def test_self_is_the_class_it_stands_in(garden):
    """A method that returns Self returns its own object type."""
    plant = function(garden, "plant").returns
    grow = function(garden, "grow", plant.own)

    assert (plant.name, grow.returns) == ("GardenPlant", plant)


@pytest.mark.parametrize(
    ("hint", "kind", "name"),
    [
        (str, "string", "str"),
        (dagger.Container, "object", "Container"),
        (dagger.Platform, "scalar", "Platform"),
        (dagger.BuildArg, "input", "BuildArg"),
        (dagger.NetworkProtocol, "enum", "NetworkProtocol"),
        (dagger.Directory | None, "object", "Directory"),
        (dict, "unsupported", "dict"),
        (bytes, "unsupported", "bytes"),
    ],
)
def test_annotations_become_api_types(hint, kind, name):
    """Each annotation has one API type, or is unsupported by name."""
    ref = type_of(hint, "garden", object)

    assert (ref.kind, ref.name) == (kind, name)


def test_a_union_is_unsupported_and_optional_is_not():
    """`X | None` is X; any other union is no API type."""
    assert type_of(int | str, "m", object).kind == "unsupported"
    assert is_optional(int | None)
    assert not is_optional(int)


def test_a_default_that_json_cannot_hold_is_not_shown(garden):
    """An argument without a default says so."""
    (name,) = function(garden, "plant").arguments

    assert name.default is MISSING


def test_our_reading_equals_the_sdks_own(garden):
    """Every function and argument is described as the SDK would register it with a Dagger engine."""
    main = garden.types.own.main
    registered = main.__dagger_object_type__
    held = {one.name: one for one in garden.types.own.object(main).functions}

    assert set(registered.functions) - {"", "graft"} | set(registered.fields) == set(held)
    for name in set(held) - set(registered.fields):
        theirs = registered.functions[name]
        assert theirs.doc == held[name].doc
        assert theirs.check == held[name].is_check
        assert [
            (
                p.name,
                p.doc or "",
                p.is_optional,
                p.default_path or "",
                p.default_address or "",
                p.ignore or [],
            )
            for p in theirs.parameters.values()
        ] == [
            (a.name, a.doc, not a.required, a.default_path, a.default_address, list(a.ignore))
            for a in held[name].arguments
        ]


def test_the_constructor_equals_the_sdks_own(garden):
    """The main object's arguments are those that the SDK would register."""
    theirs = garden.types.own.main.__dagger_object_type__.get_constructor().parameters.values()
    ours = garden.types.own.constructor().arguments

    assert [(p.name, p.is_optional, p.default_path, p.ignore) for p in theirs] == [
        (a.name, not a.required, a.default_path or None, list(a.ignore) or None) for a in ours
    ]
