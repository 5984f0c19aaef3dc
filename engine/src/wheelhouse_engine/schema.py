"""Make an executable GraphQL schema of the API table; every object field only records an operation."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLError,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    IntValueNode,
    Undefined,
    ValueNode,
)

from wheelhouse_engine.api import INTERFACES
from wheelhouse_engine.apitable import ApiTable, ArgSpec, FieldSpec
from wheelhouse_engine.graph import CALLER, Op

LeafResolver = Callable[[Op], Awaitable[Any]]
"""Run what an operation on a leaf field needs and return its value."""


def build_schema(table: ApiTable, leaf: LeafResolver, operations: dict[str, Op]) -> GraphQLSchema:
    """Return the schema of the whole API; unsupported fields exist and refuse when asked.

    Every operation that a query passes through is kept in `operations` by its
    digest, which is its id.
    """
    builder = _Builder(table, leaf, operations)
    return GraphQLSchema(
        query=builder.objects["Query"],
        types=[*builder.objects.values(), *builder.named.values()],
    )


class _Builder:
    """Hold the named types while they refer to each other."""

    def __init__(self, table: ApiTable, leaf: LeafResolver, operations: dict[str, Op]) -> None:
        self.table = table
        self.leaf = leaf
        self.operations = operations
        self.named: dict[str, Any] = {
            "String": GraphQLString,
            "Int": wide_int(),
            "Float": GraphQLFloat,
            "Boolean": GraphQLBoolean,
            "ID": GraphQLID,
        }
        for name in table.scalars:
            self.named[name] = GraphQLScalarType(name) if name != "ID" else GraphQLID
        for name, members in table.enums.items():
            self.named[name] = GraphQLEnumType(name, {m: GraphQLEnumValue(m) for m in members})
        for name, inputs in table.inputs.items():
            self.named[name] = GraphQLInputObjectType(name, partial(self._inputs, inputs))
        for name, fields in INTERFACES.items():
            self.named[name] = GraphQLInterfaceType(
                name,
                {field: GraphQLField(self.type_of(kind)) for field, kind in fields.items()},
                resolve_type=_type_name,
            )
        self.objects: dict[str, GraphQLObjectType] = {}
        for name, specs in table.objects.items():
            self.objects[name] = GraphQLObjectType(
                name, partial(self._fields, name, specs), interfaces=self._interfaces(name, specs)
            )

    def _interfaces(self, name: str, specs: Mapping[str, FieldSpec]) -> list[GraphQLInterfaceType]:
        if name == "Query":
            return []
        held = ["Node"]
        held += ["Syncer"] if specs.get("sync") and specs["sync"].type == "ID!" else []
        held += ["Exportable"] if "export" in specs else []
        return [self.named[one] for one in held]

    def type_of(self, text: str) -> Any:
        """Return the GraphQL type that `[String!]!` or `Container!` names."""
        if text.endswith("!"):
            return GraphQLNonNull(self.type_of(text[:-1]))
        if text.startswith("["):
            return GraphQLList(self.type_of(text[1:-1]))
        return self.named[text] if text in self.named else self.objects[text]

    def _inputs(self, specs: Mapping[str, ArgSpec]) -> dict[str, GraphQLInputField]:
        return {
            name: GraphQLInputField(self.type_of(spec.type), default_value=_default(spec))
            for name, spec in specs.items()
        }

    def _fields(self, owner: str, specs: Mapping[str, FieldSpec]) -> dict[str, GraphQLField]:
        return {
            name: GraphQLField(
                self.type_of(spec.type),
                {
                    arg: GraphQLArgument(self.type_of(a.type), default_value=_default(a))
                    for arg, a in spec.args.items()
                },
                resolve=self._resolver(owner, name, spec),
            )
            for name, spec in specs.items()
        }

    def _resolver(self, owner: str, name: str, spec: FieldSpec) -> Callable[..., Any]:
        kind = spec.type.strip("[]!")
        is_object = kind in self.table.objects or kind in INTERFACES
        is_list = spec.type.startswith("[")
        ids = {a: s.type.strip("[]!") for a, s in spec.args.items() if s.type.strip("[]!").endswith("ID")}

        def operation(source: Op | None, args: Mapping[str, Any]) -> Op:
            if (caller := CALLER.get()) and f"{owner}.{name}" == "Query.currentModule":
                args = {**args, "caller": str(caller)}
            given = {k: self._operand(v) if k in ids else v for k, v in args.items() if v is not None}
            op = Op.make(kind, name, source, given)
            return self.operations.setdefault(op.digest, op)

        if owner == "Query" and (name == "node" or (name.startswith("load") and name.endswith("FromID"))):
            return partial(_found, self.find)
        if name == "id" and owner != "Query":
            return lambda source, _info, /: source.digest
        if is_object and not is_list:
            return lambda source, _info, /, **args: operation(source, args)

        async def resolve(source: Op | None, _info: GraphQLResolveInfo[Any], /, **args: Any) -> Any:
            return await self.leaf(operation(source, args))

        return resolve

    def find(self, digest: str) -> Op:
        """Return the operation of an id; raises GraphQLError for one of another session."""
        try:
            return self.operations[digest]
        except KeyError:
            raise GraphQLError(f"no object with id {digest[:64]!r} in this session") from None

    def _operand(self, value: Any) -> Any:
        """Replace ids by the operations they name."""
        if isinstance(value, list):
            return [self._operand(item) for item in value]
        if not isinstance(value, str):
            raise GraphQLError(f"expected an id, found {value!r}")
        return self.find(value)


def wide_int() -> GraphQLScalarType:
    """Return GraphQL's Int with 64 bits, as Dagger has it: sizes of large files do not fit into 32."""
    made = object.__new__(GraphQLScalarType)  # the constructor refuses the name of a built-in type
    made.__dict__.update(vars(GraphQLInt), serialize=int, parse_value=_whole, parse_literal=_whole_literal)
    return made


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise GraphQLError(f"Int cannot represent {value!r}: expected a whole number of 64 bits")
    return value


def _whole_literal(node: ValueNode, _variables: Mapping[str, Any] | None = None) -> int:
    if not isinstance(node, IntValueNode):
        raise GraphQLError("Int cannot represent a value that is no whole number", node)
    return _whole(int(node.value))


def _found(find: Callable[[str], Op], _source: Op | None, _info: GraphQLResolveInfo[Any], /, id: str) -> Op:  # noqa: A002 - the API's argument name
    return find(id)


def _type_name(op: Op, *_: Any) -> str:
    return op.type


def _default(spec: ArgSpec) -> Any:
    return spec.default if spec.has_default else Undefined
