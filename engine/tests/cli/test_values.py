"""The text of a flag becomes a value of its type, or a refusal in Dagger's words."""

import pytest

from wheelhouse_engine.cli.signatures import TypeRef
from wheelhouse_engine.cli.values import Address, FlagValueError, InputValue, parse_value, type_word

STRING, INT, FLOAT = TypeRef("string"), TypeRef("integer"), TypeRef("float")
BOOL, ENUM = TypeRef("boolean"), TypeRef("enum", "Level", members=("HIGH_UP", "LOW"))
DIRECTORY, SECRET = TypeRef("object", "Directory"), TypeRef("object", "Secret")


def many(ref: TypeRef) -> TypeRef:
    """Give the list type of `ref`."""
    return TypeRef("list", element=ref)


@pytest.mark.parametrize(
    ("ref", "text", "expected"),
    [
        (STRING, "a,b", "a,b"),
        (INT, "4", 4),
        (INT, "-4", -4),
        (INT, "0x10", 16),
        (INT, "010", 8),
        (FLOAT, "0.25", 0.25),
        (FLOAT, "1e3", 1000.0),
        (BOOL, "T", True),
        (BOOL, "0", False),
        (ENUM, "high_up", "HIGH_UP"),
        (ENUM, "LOW", "LOW"),
        (many(STRING), "a,b", ["a", "b"]),
        (many(STRING), '"a,b",c', ["a,b", "c"]),
        (many(STRING), "x y", ["x y"]),
        (many(STRING), "", []),
        (many(INT), "1,2", [1, 2]),
        (many(ENUM), "low, high_up", ["LOW", "HIGH_UP"]),
        (many(SECRET), "env://A,env://B", [Address("Secret", "env://A"), Address("Secret", "env://B")]),
        (DIRECTORY, "./data/", Address("Directory", "./data/")),
        (TypeRef("scalar", "Platform"), "linux/arm64", "linux/arm64"),
        (TypeRef("scalar", "JSON"), "{}", "{}"),
        (TypeRef("input", "BuildArg"), "A=b=c", InputValue("BuildArg", {"name": "A", "value": "b=c"})),
        (
            TypeRef("input", "PortForward"),
            "80:8000",
            InputValue("PortForward", {"frontend": 80, "backend": 8000}),
        ),
    ],
)
def test_text_becomes_a_value(ref, text, expected):
    """Every flag type reads its texts."""
    assert expected == parse_value(ref, text)


@pytest.mark.parametrize(
    ("ref", "text", "message"),
    [
        (INT, "x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        (INT, "4.0", 'strconv.ParseInt: parsing "4.0": invalid syntax'),
        (INT, "9223372036854775808", 'strconv.ParseInt: parsing "9223372036854775808": value out of range'),
        (FLOAT, "half", 'strconv.ParseFloat: parsing "half": invalid syntax'),
        (BOOL, "yes", 'strconv.ParseBool: parsing "yes": invalid syntax'),
        (ENUM, "zzz", "value should be one of HIGH_UP,LOW"),
        (many(INT), "1,", 'strconv.ParseInt: parsing "": invalid syntax'),
        (many(STRING), 'a"b"x,"', "parse error in a comma-separated list"),
        (DIRECTORY, "", "directory address cannot be empty"),
        (TypeRef("scalar", "Platform"), "", "platform cannot be empty"),
        (TypeRef("input", "BuildArg"), "A", "A must be formatted as name=value"),
        (
            TypeRef("input", "PortForward"),
            "80",
            'portForward setting not in the form of frontend:backend: "80"',
        ),
    ],
)
def test_a_wrong_text_is_refused(ref, text, message):
    """A text that is no value of the type is refused with the reason."""
    with pytest.raises(FlagValueError) as refused:
        parse_value(ref, text)

    assert message in str(refused.value)


def test_a_wrong_member_names_the_near_miss():
    """A misspelt enum value carries the member that was meant."""
    with pytest.raises(FlagValueError) as refused:
        parse_value(ENUM, "high_upp")

    assert refused.value.meant == "HIGH_UP"


def test_the_current_platform_is_this_machine():
    """`current` stands for the machine's own platform."""
    assert parse_value(TypeRef("scalar", "Platform"), "current").startswith("linux/")


@pytest.mark.parametrize(
    ("ref", "word"),
    [
        (STRING, "string"),
        (INT, "int"),
        (BOOL, ""),
        (ENUM, "HIGH_UP,LOW"),
        (many(STRING), "strings"),
        (many(ENUM), "HIGH_UP,LOW"),
        (many(SECRET), "[]Secret"),
        (DIRECTORY, "Directory"),
        (TypeRef("scalar", "Platform"), "Platform"),
        (TypeRef("scalar", "JSON"), "string"),
    ],
)
def test_help_names_the_type(ref, word):
    """Help shows a type by the word that Dagger uses."""
    assert word == type_word(ref)
