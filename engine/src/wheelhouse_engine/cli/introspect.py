"""Read a module's classes: their functions, fields, arguments and documentation.

Only what `dagger.mod` leaves in public is read: the marker on functions, the metadata of fields, the
`Annotated` pieces (Doc, Name, DefaultPath, DefaultAddress, Ignore) and the type hints.
"""

import dataclasses
import enum
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import typing_extensions

from wheelhouse_engine.cli.names import api_name, kebab, namespaced
from wheelhouse_engine.cli.signatures import MISSING, Argument, Function, Kind, ObjectType, TypeRef, is_flag

_FUNCTION_MARK: Final = "__dagger_function__"
_OBJECT_MARK: Final = "__dagger_object_type__"
_FIELD_MARK: Final = "__dagger_field__"
_SCALARS: Final[Mapping[Any, Kind]] = {
    str: "string",
    int: "integer",
    float: "float",
    bool: "boolean",
    None: "void",
    type(None): "void",
}


class OwnTypes:
    """Describe the object types of one module, each when it is first asked for."""

    def __init__(self, main: type, module_name: str) -> None:
        self.main = main
        self.module_name = module_name
        self._known: dict[type, ObjectType] = {}

    def object(self, cls: type) -> ObjectType:
        """Describe a class decorated with `object_type`."""
        if cls not in self._known:
            self._known[cls] = self._describe(cls)
        return self._known[cls]

    def constructor(self) -> Function:
        """Describe how the main object is made."""
        return self._constructor_of(self.main, name="")

    def members(self, cls: type) -> list[Function]:
        """Describe every function and field of a class, also those that no command line can call."""
        return [*self._fields(cls), *self._methods(cls), *self._constructors(cls)]

    def _describe(self, cls: type) -> ObjectType:
        found = self.members(cls)
        callable_ = [f for f in found if all(is_flag(a.type) or not a.required for a in f.arguments)]
        skipped = {kebab(f.name) for f in found} - {kebab(f.name) for f in callable_}
        if cls is self.main and self.constructor().arguments:
            skipped.add("with")  # how the API spells "with these constructor arguments"; Dagger lists it too
        ordered = tuple(sorted(callable_, key=lambda f: kebab(f.name)))
        name = namespaced(cls.__name__, self.module_name)
        return ObjectType(name, ordered, docstring(cls), own=cls, skipped=tuple(sorted(skipped)))

    def _fields(self, cls: type) -> Iterator[Function]:
        hints = _hints(cls)
        for field in dataclasses.fields(cls):
            if definition := field.metadata.get(_FIELD_MARK):
                hint = hints.get(field.name, field.type)
                name = definition.name or api_name(field.name)
                returns = type_of(hint, self.module_name, cls)
                yield Function(
                    name,
                    field.name,
                    returns,
                    described(hint),
                    is_field=True,
                    is_optional=is_optional(hint),
                )

    def _methods(self, cls: type) -> Iterator[Function]:
        for attribute, member in inspect.getmembers(cls):
            meta = getattr(member, _FUNCTION_MARK, None)
            if meta is None or not callable(member):
                continue
            hints = _hints(member)
            yield Function(
                meta.name or api_name(member.__name__),
                attribute,
                type_of(hints.get("return"), self.module_name, cls),
                meta.doc if meta.doc is not None else docstring(member),
                tuple(self._arguments(member, hints, cls)),
                is_optional=is_optional(hints.get("return")),
                is_check=meta.check or getattr(member, "__dagger_check__", False),
                is_generator=meta.generator or getattr(member, "__dagger_generate__", False),
            )

    def _constructors(self, cls: type) -> Iterator[Function]:
        """Yield the other objects' classes that `cls` offers as functions."""
        for name, held in getattr(cls, _OBJECT_MARK).functions.items():
            built = getattr(held, "_wrapped_cls", None)
            if name and built is not None:
                yield self._constructor_of(built, name=name, doc=held.meta.doc)

    def _constructor_of(self, cls: type, *, name: str, doc: str | None = None) -> Function:
        create = getattr(cls, "create", None)
        build: Callable[..., Any] = cls
        hinted: Any = vars(cls).get("__init__", cls)
        if inspect.ismethod(create) and create.__self__ is cls:
            build = hinted = create
        arguments = tuple(self._arguments(build, _hints(hinted), cls))
        returns = TypeRef("object", namespaced(cls.__name__, self.module_name), own=cls)
        text = docstring(cls) if doc is None else doc
        return Function(name, name, returns, text, arguments, build=build)

    def _arguments(
        self, call: Callable[..., Any], hints: Mapping[str, Any], owner: type
    ) -> Iterator[Argument]:
        for parameter in inspect.signature(call).parameters.values():
            if parameter.name != "self":
                yield _argument(parameter, hints.get(parameter.name, Any), self.module_name, owner)


def type_of(hint: Any, module_name: str, owner: type) -> TypeRef:
    """Translate a Python annotation into an API type; `unsupported` for what the API does not have."""
    hint = _bare(hint)
    if hint in (typing_extensions.Self, typing.Self):
        hint = owner
    if hint in _SCALARS:
        return TypeRef(_SCALARS[hint], getattr(hint, "__name__", "Void"))
    if typing.get_origin(hint) in (list, tuple) or _is_sequence(hint):
        return TypeRef("list", element=type_of(typing.get_args(hint)[0], module_name, owner))
    return _named_type(hint, module_name) if isinstance(hint, type) else TypeRef("unsupported", str(hint))


def _named_type(cls: type, module_name: str) -> TypeRef:
    """Translate a class: an own object, an enum, or something of the client."""
    if hasattr(cls, _OBJECT_MARK):
        return TypeRef("object", namespaced(cls.__name__, module_name), own=cls)
    if issubclass(cls, enum.Enum):
        name = cls.__name__ if cls.__module__ == "dagger" else namespaced(cls.__name__, module_name)
        return TypeRef("enum", name, own=cls, members=tuple(sorted(member.name for member in cls)))
    bases = {base.__name__ for base in cls.__mro__ if base.__module__.startswith("dagger")}
    if "Type" in bases:
        return TypeRef("object", cls.__name__)
    kind: Kind = "scalar" if "Scalar" in bases else "input" if "Input" in bases else "unsupported"
    return TypeRef(kind, cls.__name__, own=cls)


def is_optional(hint: Any) -> bool:
    """Say whether None is a value of the annotation."""
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return typing.get_origin(hint) in (typing.Union, types.UnionType) and type(None) in typing.get_args(hint)


def docstring(thing: Any) -> str:
    """Give the thing's own docstring, clean; "" for the one that `dataclass` writes."""
    doc = thing.__doc__
    if not isinstance(doc, str) or doc.startswith(f"{getattr(thing, '__name__', '')}("):
        return ""
    return inspect.cleandoc(doc)


def described(hint: Any) -> str:
    """Give what an annotation says about its value: its Doc, else what its class says about itself.

    As the SDK does: an annotation with pieces but without Doc says nothing.
    """
    if doc := _piece(hint, typing_extensions.Doc):
        return str(doc.documentation)
    return docstring(hint) if isinstance(hint, type) and hint.__module__ != "builtins" else ""


def _argument(parameter: inspect.Parameter, hint: Any, module_name: str, owner: type) -> Argument:
    name = _named_piece(hint, "Name")
    path, address = _named_piece(hint, "DefaultPath"), _named_piece(hint, "DefaultAddress")
    ignore = _named_piece(hint, "Ignore")
    default = MISSING if parameter.default is inspect.Parameter.empty else parameter.default
    optional = default is not MISSING or path or address or is_optional(hint)
    return Argument(
        name=name.name if name else api_name(parameter.name),
        python=parameter.name,
        type=type_of(hint, module_name, owner),
        doc=described(hint),
        default=_shown(default),
        required=not optional,
        has_python_default=default is not MISSING,
        default_path=path.from_context if path else "",
        default_address=address.address if address else "",
        ignore=tuple(ignore.patterns) if ignore else (),
    )


def _shown(default: Any) -> Any:
    """Turn a default into what help prints: enum members by name, what JSON cannot hold not at all."""
    if isinstance(default, enum.Enum):
        return default.name
    if isinstance(default, list | tuple):
        return [_shown(item) for item in default]
    try:
        json.dumps(default)
    except (TypeError, ValueError):
        return MISSING
    return default


def _hints(thing: Any) -> dict[str, Any]:
    return typing.get_type_hints(thing, include_extras=True)


def _bare(hint: Any) -> Any:
    """Strip InitVar, Annotated and `| None`."""
    if isinstance(hint, dataclasses.InitVar):
        return _bare(hint.type)
    if typing.get_origin(hint) is typing.Annotated:
        return _bare(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        others = [one for one in typing.get_args(hint) if one is not type(None)]
        return _bare(others[0]) if len(others) == 1 else hint
    return hint


def _is_sequence(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    return (
        isinstance(origin, type) and origin.__module__ == "collections.abc" and origin.__name__ == "Sequence"
    )


def _pieces(hint: Any) -> Iterator[Any]:
    """Yield the metadata of an annotation, the last first, as Dagger reads it."""
    if isinstance(hint, dataclasses.InitVar):
        hint = hint.type
    if typing.get_origin(hint) is typing.Annotated:
        yield from reversed(typing.get_args(hint)[1:])


def _piece(hint: Any, kind: type) -> Any:
    return next((piece for piece in _pieces(hint) if isinstance(piece, kind)), None)


def _named_piece(hint: Any, name: str) -> Any:
    """Find a piece of `dagger` by its class name, so that the client need not be imported here."""
    return next(
        (p for p in _pieces(hint) if type(p).__name__ == name and type(p).__module__ == "dagger"), None
    )
