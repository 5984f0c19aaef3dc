"""Hold the API: types, fields, arguments, defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ArgSpec:
    """Describe one argument of a field."""

    type: str
    """GraphQL type such as `[String!]!`."""
    default: Any = None
    """Value when the caller sends none; enum members by name."""
    has_default: bool = False


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """Describe one field of an object type."""

    type: str
    """GraphQL type of the answer; `Void` for none."""
    args: Mapping[str, ArgSpec] = field(default_factory=dict)
    doc: str = ""
    python: str = ""
    """The client's method name."""
    arg_docs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiTable:
    """Hold the whole API of one client version."""

    fingerprint: str
    objects: Mapping[str, Mapping[str, FieldSpec]]
    inputs: Mapping[str, Mapping[str, ArgSpec]]
    enums: Mapping[str, tuple[str, ...]]
    scalars: tuple[str, ...]

    def field(self, type_name: str, field_name: str) -> FieldSpec:
        """Return one field; raises KeyError for an unknown one."""
        return self.objects[type_name][field_name]
