"""Results are printed as `dagger call` prints them."""

import enum
import io

import pytest

from wheelhouse_engine.cli.printing import print_result, result_text, save_text
from wheelhouse_engine.cli.queries import CoreRef
from wheelhouse_engine.cli.signatures import TypeRef

STRING, FLOAT, OBJECT = TypeRef("string"), TypeRef("float"), TypeRef("object", "Container")


class Level(enum.Enum):
    """An enum with values that differ from its names."""

    HIGH_UP = "high"


def many(ref: TypeRef) -> TypeRef:
    """Give the list type of `ref`."""
    return TypeRef("list", element=ref)


def text(ref: TypeRef, value: object, *, as_json: bool = False) -> str:
    """Write a result of the module `garden`."""
    return result_text(ref, value, as_json=as_json, module_name="garden")


@pytest.mark.parametrize(
    ("ref", "value", "plain", "as_json"),
    [
        (STRING, "hello", "hello", '"hello"\n'),
        (STRING, "<é>\n", "<é>\n", '"<é>\\n"\n'),
        (FLOAT, 1.0, "1", "1\n"),
        (FLOAT, 0.25, "0.25", "0.25\n"),
        (TypeRef("integer"), 1048576, "1048576", "1048576\n"),
        (TypeRef("boolean"), False, "false", "false\n"),
        (TypeRef("void"), None, "", ""),
        (TypeRef("enum"), Level.HIGH_UP, "HIGH_UP", '"HIGH_UP"\n'),
        (many(STRING), ["a", "b"], "a\nb\n", '[\n    "a",\n    "b"\n]\n'),
        (many(STRING), [], "", "[]\n"),
        (STRING, None, "<nil>", "null\n"),
    ],
)
def test_scalars_and_lists(ref, value, plain, as_json):
    """Text is printed as it is, a list one member per line, JSON with four spaces."""
    assert plain == text(ref, value)
    assert as_json == text(ref, value, as_json=True)


@pytest.mark.parametrize("as_json", [False, True])
def test_objects_print_their_type_and_digest(as_json):
    """Objects are `Type@digest` lines, with dashes in lists, whether or not JSON was asked for."""
    ref = CoreRef("Container", "0a1b")

    assert text(OBJECT, ref, as_json=as_json) == "Container@sha256:0a1b\n"
    assert text(many(OBJECT), [ref, ref], as_json=as_json).startswith("- Container@sha256:0a1b\n- ")


def test_equal_own_objects_have_equal_digests(garden):
    """An own object's digest depends on its fields."""
    plant = next(
        f for f in garden.types.own.object(garden.types.own.main).functions if f.name == "plant"
    ).returns
    one, same, other = (plant.own(name=name) for name in ("a", "a", "b"))

    assert text(plant, one) == text(plant, same)
    assert text(plant, one) != text(plant, other)
    assert text(plant, one).startswith("GardenPlant@sha256:")


class Terminal(io.StringIO):
    """Say that it is a terminal."""

    def isatty(self) -> bool:
        """Be one."""
        return True


def test_a_newline_is_added_on_a_terminal_only():
    """A pipe gets the exact bytes."""
    pipe, terminal = io.StringIO(), Terminal()

    print_result("x", pipe)
    print_result("x", terminal)

    assert (pipe.getvalue(), terminal.getvalue()) == ("x", "x\n")


def test_output_makes_the_folders_it_needs(tmp_path):
    """A result is saved under a path whose folders may be missing."""
    saved = save_text("x", tmp_path / "a" / "b.txt")

    assert saved.read_text() == "x"
