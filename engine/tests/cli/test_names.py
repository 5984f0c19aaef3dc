"""Names on the command line are spelled as Dagger spells them."""

import pytest

from wheelhouse_engine.cli.names import api_name, kebab, namespaced, near_miss, pascal, snake


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text_nl", "text-nl"),
        ("build_cu121", "build-cu-121"),
        ("sha256", "sha-256"),
        ("sow_sha256", "sow-sha-256"),
        ("stringArg", "string-arg"),
        ("registryService", "registry-service"),
        ("asJSON", "as-json"),
        ("JSONValue", "json-value"),
        ("withHTTPHeader", "with-http-header"),
        ("ID", "id"),
        ("already-kebab", "already-kebab"),
        ("x2y", "x-2-y"),
    ],
)
def test_kebab_splits_words_and_digits(name, expected):
    """A name becomes kebab case, and digits are words of their own."""
    assert expected == kebab(name)


@pytest.mark.parametrize(
    ("name", "expected"), [("my-module", "MyModule"), ("wheelhouse", "Wheelhouse"), ("a_b.c", "ABC")]
)
def test_pascal_names_the_main_class(name, expected):
    """The main class is the module's name in PascalCase."""
    assert expected == pascal(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("from_", "from"), ("from", "from"), ("dunder__", "dunder__"), ("_private_", "_private_")],
)
def test_one_trailing_underscore_is_dropped(name, expected):
    """Only a single trailing underscore of a public name is dropped."""
    assert expected == api_name(name)


@pytest.mark.parametrize(
    ("cls", "module", "expected"),
    [
        ("Item", "sample", "SampleItem"),
        ("Sample", "sample", "Sample"),
        ("SampleItem", "sample", "SampleItem"),
        ("Postman", "post", "PostPostman"),
    ],
)
def test_own_types_carry_the_module_name(cls, module, expected):
    """An own type is prefixed by the module's name unless it already is."""
    assert expected == namespaced(cls, module)


def test_snake_is_the_python_spelling_of_an_api_name():
    """An API name has one Python spelling."""
    assert snake("registryService") == "registry_service"


def test_near_miss_ignores_case_and_refuses_strangers():
    """A near miss is found whatever its case, and nothing is guessed for a stranger."""
    assert near_miss("gpuu", ["CPU", "GPU"]) == "GPU"
    assert near_miss("zzz", ["CPU", "GPU"]) == ""
