"""GraphQL documents with long strings."""

import json

import graphql
import pytest

from wheelhouse_engine.documents import parse


def value_of(document: graphql.DocumentNode) -> str:
    """Return the argument of `{ a(b: "…") }`."""
    operation = document.definitions[0]
    assert isinstance(operation, graphql.OperationDefinitionNode)
    field = operation.selection_set.selections[0]
    assert isinstance(field, graphql.FieldNode)
    literal = (field.arguments or ())[0].value
    assert isinstance(literal, graphql.StringValueNode)
    return literal.value


@pytest.mark.parametrize(
    "text", ["", "plain", 'a\nb\t"q" \\ / é \x01 \u2028', "名前 🙂", '"""', "\\u0041", "x" * 100_000]
)
def test_strings_read_as_the_library_reads_them(text: str) -> None:
    """A string literal means the same to the fast reader and to graphql-core."""
    for literal in (graphql.print_ast(graphql.StringValueNode(value=text)), json.dumps(text)):
        document = f"{{ a(b: {literal}) }}"

        assert value_of(graphql.parse(document)) == value_of(parse(document)) == text


@pytest.mark.parametrize(
    "document", ['{ a(b: "x }', '{ a(b: "\\q") }', '{ a(b: "\\ud800") }', "{", '{ a(b: "x\ny") }']
)
def test_malformed_documents_are_refused_in_the_librarys_words(document: str) -> None:
    """What is wrong with a document is said by graphql-core itself."""
    with pytest.raises(graphql.GraphQLSyntaxError) as expected:
        graphql.parse(document)
    with pytest.raises(graphql.GraphQLSyntaxError) as found:
        parse(document)

    assert expected.value.message == found.value.message
