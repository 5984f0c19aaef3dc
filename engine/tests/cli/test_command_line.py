"""A whole chain is parsed before anything runs."""

import pytest

from wheelhouse_engine.cli.command_line import Chain, module_reference, parse_chain
from wheelhouse_engine.cli.failures import UsageError
from wheelhouse_engine.cli.project import Project

PATH = "wheelhouse call"


def parse(project: Project, *words: str) -> Chain:
    """Parse words behind `call`."""
    return parse_chain(words, project.types, PATH)


def test_constructor_flags_stand_before_the_first_function(garden):
    """The first step is the constructor's, then one step per function."""
    chain = parse(garden, "--greeting=hi", "greet", "--name", "you", "--json")

    assert [step.values for step in chain.steps] == [{"greeting": "hi"}, {"name": "you"}]
    assert chain.options == {"json": True}


def test_a_chain_continues_on_own_objects(garden):
    """What a function returns offers the next functions."""
    chain = parse(garden, "plant", "--name=a", "grow", "--by-cm=1", "grow", "measure")

    assert [step.function.name for step in chain.steps[1:]] == ["plant", "grow", "grow", "measure"]


def test_a_chain_continues_on_lists_and_core_objects(garden):
    """A list offers its members' functions, a core object the core's."""
    assert parse(garden, "plants", "name").last.function.is_field
    assert parse(garden, "tree", "file", "--path=a.txt", "contents").last.function.name == "contents"


def test_core_flags_follow_the_schema(garden):
    """Core functions have the flags, types and defaults of the API."""
    chain = parse(garden, "box", "with-exec", "--args=echo,hi", "--expect=any", "exit-code")

    assert chain.steps[2].values == {"args": ["echo", "hi"], "expect": "ANY"}


@pytest.mark.parametrize(
    ("words", "message", "path", "meant"),
    [
        (("nope",), 'unknown command "nope" for "wheelhouse call"', PATH, ""),
        (("greeet",), 'unknown command "greeet" for "wheelhouse call"', PATH, "greet"),
        (("greet", "more"), 'unknown command "more" for "wheelhouse call greet"', f"{PATH} greet", ""),
        (("plant",), 'required flag(s) "name" not set', f"{PATH} plant", ""),
        (("graft",), 'unknown command "graft" for "wheelhouse call"', PATH, ""),
        (
            ("tree", "entires"),
            'unknown command "entires" for "wheelhouse call tree"',
            f"{PATH} tree",
            "entries",
        ),
        (("box", "from"), 'required flag(s) "address" not set', f"{PATH} box from", ""),
    ],
)
def test_a_wrong_chain_is_refused_before_it_runs(garden, words, message, path, meant):
    """The refusal names the step that is wrong, and the near miss."""
    with pytest.raises(UsageError) as refused:
        parse(garden, *words)

    assert (str(refused.value), refused.value.path, refused.value.meant) == (message, path, meant)


def test_help_needs_no_required_flags(garden):
    """`--help` anywhere asks for help on the last step that was reached."""
    chain = parse(garden, "plant", "--help")

    assert chain.wants_help
    assert chain.last.function.name == "plant"


def test_user_defaults_fill_what_is_not_given(garden):
    """A default from .env counts as set, and the command line wins."""

    def defaults(function, _is_constructor):
        return {"name": "env"} if function.name in ("plant", "greet") else {}

    filled = parse_chain(["plant"], garden.types, PATH, defaults)
    given = parse_chain(["plant", "--name=cli"], garden.types, PATH, defaults)

    assert filled.last.values == {"name": "env"}
    assert given.last.values == {"name": "cli"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-m", "dir", "fn"), "dir"),
        (("-mdir", "fn"), "dir"),
        (("--mod=dir", "fn"), "dir"),
        (("--source", ".", "-m", "dir", "fn"), "dir"),
        (("fn", "x", "-m", "dir"), None),
        (("--source=.", "fn"), None),
        ((), None),
    ],
)
def test_the_module_is_named_before_its_flags_are_known(words, expected):
    """`-m` is found among flags whose meaning only the module knows."""
    assert expected == module_reference(words)
