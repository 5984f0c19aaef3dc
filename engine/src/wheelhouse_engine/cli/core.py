"""Describe the core API's types for the command line, from the installed client's table."""

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from wheelhouse_engine.apitable import ApiTable, ArgSpec, FieldSpec
from wheelhouse_engine.cli.names import kebab, snake
from wheelhouse_engine.cli.signatures import (
    MISSING,
    Argument,
    Function,
    Kind,
    ObjectType,
    TypeRef,
    is_flag,
)

_SCALARS: Final[Mapping[str, Kind]] = {
    "String": "string",
    "Int": "integer",
    "Float": "float",
    "Boolean": "boolean",
    "Void": "void",
}
_HIDDEN: Final = frozenset({"id"})
"""Fields that answer programs, not people."""


class CoreTypes:
    """Answer what can follow a core object on a command line."""

    def __init__(self, table: ApiTable) -> None:
        self._table = table
        self._known: dict[str, ObjectType] = {}

    @cached_property
    def names(self) -> frozenset[str]:
        """Give the names of all object types."""
        return frozenset(self._table.objects)

    def object(self, name: str) -> ObjectType | None:
        """Describe one object type; None for an unknown name."""
        if name not in self._known and name in self.names:
            self._known[name] = self._describe(name)
        return self._known.get(name)

    def type_ref(self, text: str) -> TypeRef:
        """Read a GraphQL type such as `[String!]!` or `DirectoryID`."""
        bare = text.removesuffix("!")
        if bare.startswith("["):
            return TypeRef("list", element=self.type_ref(bare[1:-1]))
        if bare in _SCALARS:
            return TypeRef(_SCALARS[bare], bare)
        if bare in self._table.enums:
            return TypeRef("enum", bare, members=tuple(self._table.enums[bare]))
        named = bare.removesuffix("ID") if bare != "ID" else bare
        if named in self.names:
            return TypeRef("object", named)
        kind: Kind = "input" if bare in self._table.inputs else "unsupported" if bare == "ID" else "scalar"
        return TypeRef(kind, bare)

    def _describe(self, name: str) -> ObjectType:
        functions, skipped = [], []
        for field, spec in self._table.objects[name].items():
            if field in _HIDDEN:
                continue
            function = self._function(name, field, spec)
            if all(is_flag(a.type) or not a.required for a in function.arguments):
                functions.append(function)
            else:
                skipped.append(kebab(field))
        return ObjectType(
            name, tuple(sorted(functions, key=lambda f: f.name)), skipped=tuple(sorted(skipped))
        )

    def _function(self, owner: str, name: str, spec: FieldSpec) -> Function:
        answer = TypeRef("object", owner) if name == "sync" else self.type_ref(spec.type)
        arguments = (self._argument(arg, one, spec.arg_docs) for arg, one in spec.args.items())
        doc = " ".join(spec.doc.split("\n\n")[0].split())
        return Function(name, spec.python or snake(name), answer, doc, tuple(arguments))

    def _argument(self, name: str, spec: ArgSpec, docs: Mapping[str, str]) -> Argument:
        python = snake(name)
        required = spec.type.endswith("!") and not spec.has_default
        default = spec.default if spec.has_default else MISSING
        doc = docs.get(python) or docs.get(f"{python}_") or docs.get(name, "")
        return Argument(name, python, self.type_ref(spec.type), doc, default, required)
