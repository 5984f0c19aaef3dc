"""Values: small flat objects such as ports, variables, labels, stats, matches."""

from collections.abc import Mapping, Sequence
from typing import Any

from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import HANDLERS, operation
from wheelhouse_engine.ops.metadata import duration_text

FLAT = {
    "Port": ("port", "protocol", "description", "experimentalSkipHealthcheck"),
    "EnvVariable": ("name", "value"),
    "Label": ("name", "value"),
    "Stat": ("size", "permissions", "fileType", "name"),
    "SearchResult": ("filePath", "lineNumber", "absoluteOffset", "matchedLines"),
    "SearchSubmatch": ("text", "start", "end"),
    "HealthcheckConfig": (
        "args",
        "shell",
        "interval",
        "timeout",
        "startPeriod",
        "startInterval",
        "retries",
    ),
    "Error": ("message",),
    "DiffStat": ("path", "oldPath", "kind", "addedLines", "removedLines"),
    "EngineCacheEntry": (
        *("description", "diskSpaceBytes", "createdTimeUnixNano", "mostRecentUseTimeUnixNano"),
        *("activelyUsed", "recordType", "recordTypes", "dagqlCall"),
    ),
}
"""Types whose leaf fields are read off a mapping."""


def many(engine: Engine, op: Op, values: Sequence[Any]) -> list[Op]:
    """Return one operation per value, so that each has an id of its own."""
    return [
        engine.set_value(replace_field(op, f"{op.field}[{number}]"), value)
        for number, value in enumerate(values)
    ]


def replace_field(op: Op, name: str) -> Op:
    """Return the operation under another field name: an element of its list."""
    return Op.make(op.type, name, op.parent, op.args)


async def _flat(engine: Engine, op: Op) -> Any:
    value: Mapping[str, Any] = await engine.parent(op)
    return value.get(op.field)


for _type, _fields in FLAT.items():
    for _field in _fields:
        HANDLERS[f"{_type}.{_field}"] = _flat


@operation("SearchResult.submatches")
async def submatches(engine: Engine, op: Op) -> list[Op]:
    """Return the places in the matched lines."""
    value: Mapping[str, Any] = await engine.parent(op)
    return many(engine, op, value["submatches"])


@operation("Container.exposedPorts")
async def exposed_ports(engine: Engine, op: Op) -> list[Op]:
    """Return the exposed ports."""
    state = await engine.container(op)
    return many(engine, op, [port_value(port) for port in state.config.exposed_ports])


def port_value(port: Any) -> dict[str, Any]:
    """Return a port as the API shows it."""
    return {
        "port": port.port,
        "protocol": port.protocol.upper(),
        "description": port.description or None,
        "experimentalSkipHealthcheck": port.skip_healthcheck,
    }


@operation("Container.envVariables")
async def env_variables(engine: Engine, op: Op) -> list[Op]:
    """Return the persistent environment."""
    env = (await engine.container(op)).env()
    return many(engine, op, [{"name": name, "value": value} for name, value in env.items()])


@operation("Container.labels")
async def labels(engine: Engine, op: Op) -> list[Op]:
    """Return the labels."""
    held = (await engine.container(op)).config.labels
    return many(engine, op, [{"name": name, "value": value} for name, value in held.items()])


@operation("Container.dockerHealthcheck")
async def docker_healthcheck(engine: Engine, op: Op) -> dict[str, Any]:
    """Return the HEALTHCHECK; raises EngineError when there is none."""
    check = (await engine.container(op)).config.healthcheck
    if not check or check["Test"][:1] in ([], ["NONE"]):
        raise EngineError("no healthcheck is set on this container")
    kind, *args = check["Test"]

    def time(name: str) -> str:
        return duration_text(check.get(name) or 0)

    return {
        "args": args,
        "shell": kind == "CMD-SHELL",
        "interval": time("Interval"),
        "timeout": time("Timeout"),
        "startPeriod": time("StartPeriod"),
        "startInterval": time("StartInterval"),
        "retries": check.get("Retries", 0),
    }
