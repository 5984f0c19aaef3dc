"""Parse GraphQL documents whose strings are long: programs and locks travel as literals.

graphql-core reads a string character by character in Python, which took 3 s of
a 17 s build. Here a regular expression reads plain strings at once; what it
does not cover (block strings, wide escapes, errors) is left to graphql-core.
"""

import json
import re
from typing import Final

from graphql import DocumentNode, Source
from graphql.language import TokenKind
from graphql.language.ast import Token
from graphql.language.lexer import Lexer
from graphql.language.parser import Parser

PLAIN: Final = re.compile(
    r'"(?:[^"\\\x00-\x1f\ud800-\udfff]|\t|\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4})*+"'
)
"""A string whose escapes JSON has too, and no surrogates: those need graphql-core's own checks."""


class FastLexer(Lexer):
    """Read plain strings with one regular expression."""

    def read_string(self, start: int) -> Token:
        """Return the string token at a position."""
        found = PLAIN.match(self.source.body, start)
        if found is None:
            return super().read_string(start)
        text = found.group()
        value = json.loads(text, strict=False) if "\\" in text else text[1:-1]
        return self.create_token(TokenKind.STRING, start, found.end(), value)


def parse(text: str) -> DocumentNode:
    """Return the document; raises GraphQLSyntaxError."""
    source = Source(text)
    return Parser(source, lexer=FastLexer(source)).parse_document()
