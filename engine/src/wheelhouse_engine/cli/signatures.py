"""Describe functions, arguments and types: own ones and core ones alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

Kind = Literal[
    "string",
    "integer",
    "float",
    "boolean",
    "void",
    "scalar",
    "enum",
    "object",
    "input",
    "list",
    "unsupported",
]


class Missing:
    """Mark an argument without a default."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


@dataclass(frozen=True, slots=True)
class TypeRef:
    """Name a type as a signature uses it."""

    kind: Kind
    name: str = ""
    """Name in the API; for `unsupported`, how Python spells it."""
    element: "TypeRef | None" = None
    """Type of a list's members."""
    own: type | None = None
    """The module's own class behind an object or an enum."""
    members: tuple[str, ...] = ()
    """Member names of an enum."""

    @property
    def leaf(self) -> "TypeRef":
        """Give the type inside any number of lists."""
        return self.element.leaf if self.element else self


@dataclass(frozen=True, slots=True)
class Argument:
    """Describe one argument of a function."""

    name: str
    """Name in the API, such as `from`."""
    python: str
    """Keyword in Python, such as `from_`."""
    type: TypeRef
    doc: str = ""
    default: Any = MISSING
    """What is shown as the default; enum members by name."""
    required: bool = True
    has_python_default: bool = False
    """The Python function itself knows what to do without it."""
    default_path: str = ""
    default_address: str = ""
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """Describe one function or field of an object."""

    name: str
    """Name in the API: own functions as Python spells them, core ones in camelCase."""
    python: str
    returns: TypeRef
    doc: str = ""
    arguments: tuple[Argument, ...] = ()
    is_field: bool = False
    is_optional: bool = False
    """None is one of its results."""
    is_check: bool = False
    is_generator: bool = False
    build: Callable[..., Any] | None = None
    """What to call instead of a method: the class of a constructor function."""

    @property
    def short(self) -> str:
        """Give the first line of the description, `-` when there is none."""
        return self.doc.strip().split("\n")[0] or "-"


@dataclass(frozen=True, slots=True)
class ObjectType:
    """Describe an object type with everything that can follow it on a command line."""

    name: str
    functions: tuple[Function, ...]
    doc: str = ""
    own: type | None = None
    skipped: tuple[str, ...] = field(default=())
    """Functions that exist but cannot be called from here, as the command line spells them."""


class TypeTable(Protocol):
    """Look up the object types of one API."""

    def object(self, ref: TypeRef) -> ObjectType | None:
        """Give the type that `ref` (or its list's member) names; None for a type without functions."""


FLAG_OBJECTS: Final[Mapping[str, str]] = {
    "CacheVolume": "cacheVolume",
    "Container": "container",
    "Directory": "directory",
    "File": "file",
    "GitRef": "gitRef",
    "GitRepository": "gitRepository",
    "Secret": "secret",
    "Service": "service",
    "Socket": "socket",
}
"""Core objects a flag can name, with the `Address` field that makes them. Source: `dagger call` v0.21.8."""

FLAG_INPUTS: Final = ("BuildArg", "PortForward")
"""Input types a flag can spell. Source: `dagger call` v0.21.8."""


def is_flag(ref: TypeRef) -> bool:
    """Say whether a flag can carry a value of this type."""
    match ref.kind:
        case "list":
            return ref.element is not None and ref.element.kind != "list" and is_flag(ref.element)
        case "object":
            return ref.own is None and ref.name in FLAG_OBJECTS
        case "input":
            return ref.name in FLAG_INPUTS
        case "void" | "unsupported":
            return False
    return True
