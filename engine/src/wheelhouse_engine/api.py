"""Read the Dagger API off the installed client: types, fields, arguments, defaults.

The generated client `dagger/client/gen.py` is parsed as text, so the API follows
whatever version is installed, nothing of it is copied here, and the client is
not imported (that alone takes 0.4-0.7 s).
"""

import hashlib
import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wheelhouse_engine.apisource import read_api
from wheelhouse_engine.apitable import ApiTable, ArgSpec, FieldSpec

FORMAT: Final = 3
"""Raised when the cached table changes shape."""

INTERFACES: Final = {
    "Node": {"id": "ID!"},
    "Syncer": {"id": "ID!", "sync": "ID!"},
    "Exportable": {"id": "ID!"},
}


def load_api(cache_dir: Path | None = None) -> ApiTable:
    """Return the installed client's API, from the cache when it is of the same file.

    Raises ModuleNotFoundError when dagger-io is not installed.
    """
    source = client_source()
    stat = source.stat()
    stamp = hashlib.sha256(f"{FORMAT} {source} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:24]
    cached = cache_dir / f"api-{stamp}.json" if cache_dir else None
    if cached and cached.exists():
        try:
            return _from_json(json.loads(cached.read_text()))
        except (ValueError, KeyError, TypeError):
            cached.unlink(missing_ok=True)
    table = read_api(source.read_text(), stamp)
    if cached:
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(_to_json(table)))
        partial.rename(cached)
    return table


def client_source() -> Path:
    """Return the path of the generated client without importing it."""
    spec = importlib.util.find_spec("dagger")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            "dagger-io is not installed in this Python; install the extra `engine` of wheelhouse"
        )
    return Path(spec.submodule_search_locations[0]) / "client" / "gen.py"


def _to_json(table: ApiTable) -> dict[str, Any]:
    def arg(spec: ArgSpec) -> list[Any]:
        return [spec.type, spec.default, spec.has_default]

    def args(specs: Mapping[str, ArgSpec]) -> dict[str, Any]:
        return {name: arg(spec) for name, spec in specs.items()}

    objects = {
        name: {f: [s.type, args(s.args), s.doc, s.python, dict(s.arg_docs)] for f, s in fields.items()}
        for name, fields in table.objects.items()
    }
    return {
        "fingerprint": table.fingerprint,
        "objects": objects,
        "inputs": {name: args(fields) for name, fields in table.inputs.items()},
        "enums": table.enums,
        "scalars": table.scalars,
    }


def _from_json(data: Mapping[str, Any]) -> ApiTable:
    def args(specs: Mapping[str, Any]) -> dict[str, ArgSpec]:
        return {name: ArgSpec(*spec) for name, spec in specs.items()}

    objects = {
        name: {f: FieldSpec(s[0], args(s[1]), s[2], s[3], s[4]) for f, s in fields.items()}
        for name, fields in data["objects"].items()
    }
    return ApiTable(
        data["fingerprint"],
        objects,
        {name: args(fields) for name, fields in data["inputs"].items()},
        {name: tuple(members) for name, members in data["enums"].items()},
        tuple(data["scalars"]),
    )
