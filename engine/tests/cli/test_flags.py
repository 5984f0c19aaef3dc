"""Flags are read as pflag reads them."""

import pytest

from wheelhouse_engine.cli.failures import UsageError
from wheelhouse_engine.cli.flags import COUNT, STRING, FlagSet, Option, Parsed, missing_flags
from wheelhouse_engine.cli.signatures import Argument, TypeRef

ARGUMENTS = (
    Argument("aValue", "a_value", TypeRef("integer")),
    Argument("on", "on", TypeRef("boolean"), required=False),
    Argument("words", "words", TypeRef("list", element=TypeRef("string"))),
)
OPTIONS = (
    Option("json", "", short="j"),
    Option("output", "", STRING, "o"),
    Option("verbose", "", COUNT, "v"),
    Option("on", "An option that the function's own flag hides"),
)


def parse(*words: str) -> Parsed:
    """Parse words with the flags above."""
    return FlagSet(ARGUMENTS, OPTIONS, "wheelhouse call f").parse(words)


@pytest.mark.parametrize(
    "words",
    [("--a-value=4",), ("--aValue", "4"), ("--a_value=4",), ("--a-value", "4")],
)
def test_every_spelling_of_a_flag_is_the_same_flag(words):
    """kebab, camel and snake case name one flag, with `=` or a following word."""
    assert parse(*words).values == {"aValue": 4}


def test_parsing_stops_at_the_next_function():
    """The first word that is no flag, and everything behind it, is left."""
    parsed = parse("--a-value", "4", "next", "--on")

    assert parsed.rest == ["next", "--on"]


def test_a_boolean_takes_no_following_word():
    """`--on next` sets the flag and leaves the word."""
    parsed = parse("--on", "next")

    assert (parsed.values, parsed.rest) == ({"on": True}, ["next"])


def test_a_boolean_can_be_set_to_false():
    """`--on=false` is the way to say no."""
    assert parse("--on=false").values == {"on": False}


def test_lists_grow_with_each_flag():
    """Commas and repetition add up."""
    assert parse("--words=a,b", "--words", "c").values == {"words": ["a", "b", "c"]}


@pytest.mark.parametrize("words", [("-jo", "x"), ("-j", "-ox"), ("-j", "-o=x"), ("--json", "--output=x")])
def test_short_options_can_be_joined(words):
    """Short options stand alone, joined, or with their value attached."""
    assert parse(*words).options == {"json": True, "output": "x"}


def test_counted_options_add_up():
    """`-vv -v` is three."""
    assert parse("-vv", "-v").options == {"verbose": 3}


def test_two_dashes_end_the_flags():
    """Words behind `--` are no flags."""
    assert parse("--", "--on").rest == ["--on"]


@pytest.mark.parametrize(
    ("words", "message", "meant"),
    [
        (("--nope=1",), "unknown flag: --nope", ""),
        (("--a-valeu=1",), "unknown flag: --a-valeu", "--a-value"),
        (("--a-value",), "flag needs an argument: --a-value", ""),
        (("-x",), "unknown shorthand flag: 'x' in -x", ""),
        (("--a-value=x",), 'invalid argument "x" for "--a-value" flag: strconv.ParseInt', ""),
    ],
)
def test_a_wrong_flag_is_refused_in_daggers_words(words, message, meant):
    """The refusal starts as Dagger's does and names the near miss."""
    with pytest.raises(UsageError) as refused:
        parse(*words)

    assert str(refused.value).startswith(message)
    assert (refused.value.path, refused.value.meant) == ("wheelhouse call f", meant)


def test_every_missing_flag_is_named_at_once():
    """A step without its required flags names all of them."""
    with pytest.raises(UsageError) as refused:
        missing_flags(ARGUMENTS, {}, "wheelhouse call f")

    assert str(refused.value) == 'required flag(s) "a-value", "words" not set'
