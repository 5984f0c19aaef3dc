"""Generate what a module's client has of its dependencies, as Dagger's code generator does.

Source: `sdk/python/codegen` of dagger, v0.21.8. The generated text has the form of `dagger/client/gen.py`,
and uses what that imports.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from types import ModuleType
from typing import Final

from graphql.pyutils import camel_to_snake

from wheelhouse_engine.apitable import ApiTable, ArgSpec, FieldSpec
from wheelhouse_engine.cli.description import DescribedFunction, Description

NAME: Final = "dagger_gen"
"""Module of generated bindings, in which a client looks for them."""
_ACRONYM: Final = re.compile(r"([A-Z\d]+)(?=[A-Z\d]|$)")
_BUILTINS: Final = frozenset({"str", "int", "float", "bool", "list", "type"})
PYTHON: Final = {"String": "str", "Int": "int", "Float": "float", "Boolean": "bool", "Void": "None"}


def python_name(name: str) -> str:
    """Spell a GraphQL name as the generator does."""
    text = camel_to_snake(_ACRONYM.sub(lambda found: found.group(0).title(), name))
    return f"{text}_" if iskeyword(text) or text in _BUILTINS else text


def extended(core: ApiTable, modules: Mapping[str, Description], fingerprint: str) -> ApiTable:
    """Return the API with the types of modules and, on its root, one field for each of them."""
    objects = {name: dict(fields) for name, fields in core.objects.items()}
    enums = dict(core.enums)
    for name, described in modules.items():
        enums |= described.enums
        objects |= types_of(described)
        objects["Query"][name] = field_spec(name, described.constructor)
    return ApiTable(
        f"{core.fingerprint}-{fingerprint}",
        objects,
        core.inputs,
        enums,
        (*core.scalars, *(f"{name}ID" for one in modules.values() for name in one.objects)),
    )


def types_of(described: Description) -> dict[str, dict[str, FieldSpec]]:
    """Return the object types of one module."""
    return {
        name: {
            **{gql: field_spec(gql, one) for gql, one in held.functions.items()},
            "id": FieldSpec("ID!", python="id"),
        }
        for name, held in described.objects.items()
    }


def field_spec(name: str, one: DescribedFunction) -> FieldSpec:
    """Return one function as a field of the API."""
    args = {gql: ArgSpec(a.type, a.default, a.has_default) for gql, a in one.arguments.items()}
    docs = {python_name(gql): a.doc for gql, a in one.arguments.items()}
    return FieldSpec(one.type, args, one.doc, python_name(name), docs)


def client_text(modules: Mapping[str, Description], table: ApiTable) -> str:
    """Generate the client's classes for modules, and what its root has of them; `table` has all types."""
    return "\n".join(_Generator(table).lines(modules)) + "\n"


def install(text: str) -> None:
    """Give the imported client the generated classes."""
    dagger, generated = sys.modules["dagger"], ModuleType(NAME)
    # What its own classes are made of: `from dagger.client.gen import *` would miss what modules do not see.
    core = vars(sys.modules["dagger.client.gen"])
    vars(generated).update({name: one for name, one in core.items() if not name.startswith("__")})
    exec(compile(text, f"<{NAME}>", "exec"), vars(generated))  # noqa: S102 - text of our own generator
    for name in generated.__all__:
        found = getattr(generated, name)
        found.__module__ = "dagger"
        setattr(dagger, name, found)
    for name, method in vars(generated.Modules).items():
        if not name.startswith("__"):
            setattr(dagger.Query, name, method)
    sys.modules[NAME] = generated


@dataclass(frozen=True, slots=True)
class _Generator:
    """Writes classes as text."""

    table: ApiTable

    def lines(self, modules: Mapping[str, Description]) -> Iterator[str]:
        """Yield the whole text."""
        names = []
        for described in modules.values():
            for name, members in described.enums.items():
                yield from (f"class {name}(Enum):", *(f"    {one} = {one!r}" for one in members), "")
            for name, held in described.objects.items():
                yield from (f"class {name}ID(Scalar):", '    """A unique identifier for an object."""', "")
                yield from ("@typecheck", f"class {name}(Type):", f"    {held.doc!r}", "")
                yield from self._methods(self.table.objects[name])
            names += [*described.enums, *described.objects, *(f"{one}ID" for one in described.objects)]
        yield from ("@typecheck", "class Modules:", '    """What the client\'s root gains."""', "")
        yield from self._methods({name: self.table.field("Query", name) for name in modules})
        yield f"__all__ = {sorted(names)!r}"

    def _methods(self, fields: Mapping[str, FieldSpec]) -> Iterator[str]:
        for name, spec in fields.items():
            yield from (f"    {line}" for line in self._method(name, spec))
            yield ""

    def _method(self, name: str, spec: FieldSpec) -> Iterator[str]:
        """Generate the method that selects one field."""
        kind, is_list = spec.type.strip("[]!"), spec.type.startswith("[")
        is_object = kind in self.table.objects
        returned = kind if is_object and not is_list else self._annotation(spec.type)
        waits = "" if is_object and not is_list else "async "
        yield f"{waits}def {spec.python}({', '.join(self._parameters(spec))}) -> '{returned}':"
        if spec.doc:
            yield f"    {spec.doc!r}"
        yield f"    _ctx = self._select({name!r}, [{', '.join(self._arguments(spec))}])"
        if is_object:
            yield (
                f"    return await _ctx.execute_object_list({kind})"
                if is_list
                else f"    return {kind}(_ctx)"
            )
        else:
            yield (
                "    await _ctx.execute()" if kind == "Void" else f"    return await _ctx.execute({returned})"
            )

    def _parameters(self, spec: FieldSpec) -> Iterator[str]:
        yield "self"
        named = {python_name(gql): arg for gql, arg in spec.args.items()}
        for name, arg in named.items():
            if not arg.has_default:
                yield f"{name}: '{self._annotation(arg.type)}'"
        if any(arg.has_default for arg in named.values()):
            yield "*"
        for name, arg in named.items():
            if arg.has_default:
                yield f"{name}: '{self._annotation(arg.type)}' = {self._default(arg)}"

    def _arguments(self, spec: FieldSpec) -> Iterator[str]:
        for gql, arg in spec.args.items():
            default = f", {self._default(arg)}" if arg.has_default else ""
            yield f"Arg({gql!r}, {python_name(gql)}{default})"

    def _default(self, spec: ArgSpec) -> str:
        kind = spec.type.strip("[]!")
        if kind not in self.table.enums or spec.default is None:
            return repr(spec.default)
        if isinstance(spec.default, list):
            return f"[{', '.join(f'{kind}.{one}' for one in spec.default)}]"
        return f"{kind}.{spec.default}"

    def _annotation(self, text: str) -> str:
        """Translate a GraphQL type into an annotation: an object stands where GraphQL has its id."""
        bare = text.removesuffix("!")
        if bare.startswith("["):
            inner = f"list[{self._annotation(bare[1:-1])}]"
        else:
            named = bare.removesuffix("ID")
            inner = (
                named if named in self.table.objects else "str" if bare == "ID" else PYTHON.get(bare, bare)
            )
        return inner if text.endswith("!") or bare == "Void" else f"{inner} | None"
