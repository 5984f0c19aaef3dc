"""Help is laid out as Dagger lays it out."""

from wheelhouse_engine.cli.calling import help_text, listing
from wheelhouse_engine.cli.command_line import parse_chain
from wheelhouse_engine.cli.helptext import argument_table, shown_default
from wheelhouse_engine.cli.project import Project
from wheelhouse_engine.cli.signatures import Argument, TypeRef


def page(project: Project, *words: str) -> str:
    """Give the help of a step."""
    return help_text(project, parse_chain([*words, "--help"], project.types, "wheelhouse call"))


def test_a_step_explains_itself(garden):
    """Description, usage, what may follow, arguments, and where more help is."""
    assert page(garden, "plant") == (
        "A plant.\n\n"
        "USAGE\n  wheelhouse call plant [arguments] <function>\n\n"
        "FUNCTIONS\n"
        "  grow          A taller plant.\n"
        "  height-cm     -\n"
        "  measure       The height in metres.\n"
        "  name          -\n\n"
        "ARGUMENTS\n      --name string   [required]\n\n"
        'Use "wheelhouse call plant [command] --help" for more information about a command.\n'
    )


def test_the_long_description_is_shown_in_full(garden):
    """All paragraphs are shown at the step itself."""
    assert page(garden, "greet").startswith("Greet someone.\n\nA second paragraph.\n\nUSAGE\n")


def test_the_first_page_has_the_options(garden):
    """`call --help` shows functions, the constructor's arguments and the options."""
    text = page(garden)

    for part in (
        "FUNCTIONS",
        "ARGUMENTS",
        '--greeting string   What to say (default "hello")',
        "-o, --output",
    ):
        assert part in text


def test_enum_values_and_defaults_are_shown(garden):
    """An enum flag shows its members and its default member."""
    assert "--season HIGH_SUMMER,SPRING   When (default SPRING)" in page(garden, "season")


def test_core_help_comes_from_the_schema(garden):
    """A core step shows the API's own words and flags."""
    text = page(garden, "box", "with-exec")

    assert "--args strings" in text
    assert "--expect ANY,FAILURE,SUCCESS" in text


def test_required_arguments_come_first():
    """Required flags stand before optional ones."""
    optional = Argument("a", "a", TypeRef("string"), required=False)
    needed = Argument("z", "z", TypeRef("string"))

    assert argument_table([optional, needed]).index("--z") < argument_table([optional, needed]).index("--a")


def test_zero_defaults_are_not_shown():
    """False, 0 and empty defaults say nothing; others are shown as flags are written."""
    shown = [
        shown_default(Argument("x", "x", ref, default=value))
        for ref, value in (
            (TypeRef("boolean"), False),
            (TypeRef("integer"), 0),
            (TypeRef("string"), ""),
            (TypeRef("float"), 0.5),
            (TypeRef("string"), "a"),
        )
    ]

    assert shown == ["", "", "", "0.5", '"a"']


def test_the_listing_is_a_table(garden):
    """`functions` aligns names and descriptions and counts what cannot be called."""
    lines = listing(garden.types.own.object(garden.types.own.main)).splitlines()

    assert lines[0] == "Name          Description"
    assert lines[1] == "beds          -"
    assert lines[-1] == "Skipped 2 function(s) with unsupported types: graft, with"
