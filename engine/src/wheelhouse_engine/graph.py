"""Hold operations: what was asked for, immutable, each with a digest; nothing runs here."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

CALLER: Final[ContextVar[Path | None]] = ContextVar("caller", default=None)
"""Folder of the dependency whose function asks; None for the session's own client."""


def digest_of(*parts: object) -> str:
    """Return 32 hex digits over JSON-able parts: the name of a thing made from them."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """Ask one field of one object, with its arguments.

    `args` values are JSON values, other operations, or lists of them.
    """

    type: str
    """GraphQL type of what this operation gives, such as `Container`."""
    field: str
    """Field that gives it, such as `withExec`."""
    parent: "Op | None"
    """The object that the field is asked on; None for the root."""
    args: Mapping[str, Any]
    digest: str = ""
    fresh: bool = False
    """Made from host files that are to be read each time (`noCache`)."""

    @classmethod
    def make(cls, type_name: str, field_name: str, parent: "Op | None", args: Mapping[str, Any]) -> "Op":
        """Return the operation with its digest computed."""
        digest = digest_of(type_name, field_name, parent.digest if parent else "", _plain(args))
        op = cls(type_name, field_name, parent, args, digest)
        if args.get("noCache") or any(one.fresh for one in op.inputs()):
            return replace(op, fresh=True)
        return op

    @property
    def owner(self) -> str:
        """Return the type on which the field is asked."""
        return self.parent.type if self.parent else "Query"

    @property
    def name(self) -> str:
        """Return `Container.withExec`, the key of the operation table."""
        return f"{self.owner}.{self.field}"

    def inputs(self) -> Iterator["Op"]:
        """Yield the operations that this one needs: its parent, then its arguments."""
        if self.parent:
            yield self.parent
        for value in self.args.values():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, Op):
                    yield item

    def __str__(self) -> str:
        """Return one line for people; never a secret's plaintext."""
        shown = [f"{k}={_short(v)}" for k, v in self.args.items() if v not in (None, "", [], False)]
        if self.field == "setSecret":
            shown = [f"name={self.args['name']}"]
        if self.field == "withExec":
            shown = [" ".join(str(word) for word in self.args["args"])]
        return f"{self.name} {' '.join(shown)}".rstrip()


def _plain(value: Any) -> Any:
    if isinstance(value, Op):
        return {"op": value.digest}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _short(value: Any, limit: int = 60) -> str:
    if isinstance(value, Op):
        return f"{value.type}@{value.digest[:8]}"
    if isinstance(value, list):
        return ",".join(_short(item) for item in value)
    text = str(value).replace("\n", "\\n")
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
