"""Describe a module's types as data that another process can read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from wheelhouse_engine.cli.introspect import OwnTypes, docstring
from wheelhouse_engine.cli.names import camel, namespaced, pascal
from wheelhouse_engine.cli.signatures import MISSING, Argument, Function, TypeRef

_PLAIN = {"string": "String", "integer": "Int", "float": "Float", "boolean": "Boolean", "void": "Void"}


@dataclass(frozen=True, slots=True)
class DescribedArgument:
    """One argument of a function."""

    name: str
    """Name in the module, which its SDK expects."""
    type: str
    """GraphQL type."""
    doc: str = ""
    default: Any = None
    has_default: bool = False
    ignore: tuple[str, ...] = ()
    default_path: str = ""
    default_address: str = ""


@dataclass(frozen=True, slots=True)
class DescribedFunction:
    """One function or field of an object."""

    name: str
    """Name in the module."""
    type: str
    """GraphQL type of the result."""
    arguments: Mapping[str, DescribedArgument] = field(default_factory=dict)
    doc: str = ""
    is_field: bool = False


@dataclass(frozen=True, slots=True)
class DescribedObject:
    """One object type."""

    class_name: str
    doc: str
    functions: Mapping[str, DescribedFunction]


@dataclass(frozen=True, slots=True)
class Description:
    """Types of one module, by the names that they have in GraphQL."""

    main: str
    constructor: DescribedFunction
    objects: Mapping[str, DescribedObject]
    enums: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Return a description from what `write` returned."""

        def function(one: Mapping[str, Any]) -> DescribedFunction:
            arguments = {
                k: DescribedArgument(**{**v, "ignore": tuple(v["ignore"])})
                for k, v in one["arguments"].items()
            }
            return DescribedFunction(**{**one, "arguments": arguments})

        objects = {
            name: DescribedObject(
                one["class_name"], one["doc"], {k: function(v) for k, v in one["functions"].items()}
            )
            for name, one in data["objects"].items()
        }
        enums = {name: tuple(members) for name, members in data["enums"].items()}
        return cls(data["main"], function(data["constructor"]), objects, enums)

    def write(self) -> dict[str, Any]:
        """Return the description as JSON values."""
        return asdict(self)


def describe(own: OwnTypes, alias: str) -> Description:
    """Describe a module's types; `alias` is the module's name where it is a dependency."""
    return _Describer(own, alias).describe()


class _Describer:
    """Walk from the main object to every type that it leads to."""

    def __init__(self, own: OwnTypes, alias: str) -> None:
        self.own, self.alias = own, alias
        self.objects: dict[str, DescribedObject] = {}
        self.enums: dict[str, tuple[str, ...]] = {}

    def describe(self) -> Description:
        """Describe all types."""
        constructor = self._function(self.own.constructor())
        return Description(constructor.type.rstrip("!"), constructor, self.objects, self.enums)

    def _name(self, class_name: str) -> str:
        original = pascal(self.own.module_name)
        return pascal(self.alias) + namespaced(class_name, self.own.module_name).removeprefix(original)

    def _object(self, cls: type) -> str:
        name = self._name(cls.__name__)
        if name not in self.objects:
            functions: dict[str, DescribedFunction] = {}
            self.objects[name] = DescribedObject(cls.__name__, docstring(cls), functions)
            functions |= {camel(one.name): self._function(one) for one in self.own.members(cls)}
        return name

    def _function(self, one: Function) -> DescribedFunction:
        arguments = {camel(a.name): self._argument(a) for a in one.arguments}
        result = self._type(one.returns, is_argument=False) + ("" if one.is_optional else "!")
        result = "Void" if result.startswith("Void") else result
        return DescribedFunction(one.name, result, arguments, one.doc, one.is_field)

    def _argument(self, one: Argument) -> DescribedArgument:
        kind = self._type(one.type, is_argument=True)
        default = None if one.default is MISSING else one.default
        return DescribedArgument(
            one.name,
            kind + ("!" if one.required else ""),
            one.doc,
            default,
            not one.required,
            one.ignore,
            one.default_path,
            one.default_address,
        )

    def _type(self, ref: TypeRef, *, is_argument: bool) -> str:
        if ref.element is not None:
            return f"[{self._type(ref.element, is_argument=is_argument)}!]"
        if ref.kind in _PLAIN:
            return _PLAIN[ref.kind]
        if ref.kind == "enum" and ref.own is not None and ref.own.__module__ != "dagger":
            name = self._name(ref.own.__name__)
            self.enums[name] = ref.members
            return name
        if ref.kind == "object":
            name = self._object(ref.own) if ref.own is not None else ref.name
            return f"{name}ID" if is_argument else name
        return ref.name
