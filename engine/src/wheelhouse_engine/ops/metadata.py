"""Container: what an image tells about itself: labels, annotations, ports, health."""

import re
from collections.abc import Mapping
from typing import Any, Final

from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.imageconfig import ExposedPort
from wheelhouse_engine.states import ContainerState

DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)")
UNITS_NS: Final = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@operation("Container.withLabel")
async def with_label(engine: Engine, op: Op) -> ContainerState:
    """Set a label."""
    state = await engine.container(op)
    return state.configured(labels={**state.config.labels, op.args["name"]: op.args["value"]})


@operation("Container.withoutLabel")
async def without_label(engine: Engine, op: Op) -> ContainerState:
    """Remove a label."""
    state = await engine.container(op)
    return state.configured(labels=_without(state.config.labels, op.args["name"]))


@operation("Container.label")
async def label(engine: Engine, op: Op) -> str | None:
    """Return a label, or null."""
    return (await engine.container(op)).config.labels.get(op.args["name"])


@operation("Container.withAnnotation")
async def with_annotation(engine: Engine, op: Op) -> ContainerState:
    """Set an annotation of the manifest."""
    state = await engine.container(op)
    return state.configured(annotations={**state.config.annotations, op.args["name"]: op.args["value"]})


@operation("Container.withoutAnnotation")
async def without_annotation(engine: Engine, op: Op) -> ContainerState:
    """Remove an annotation."""
    state = await engine.container(op)
    return state.configured(annotations=_without(state.config.annotations, op.args["name"]))


def _without(entries: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in entries.items() if key != name}


@operation("Container.withExposedPort")
async def with_exposed_port(engine: Engine, op: Op) -> ContainerState:
    """Expose a port; services wait for it."""
    state = await engine.container(op)
    port = ExposedPort(
        op.args["port"],
        "udp" if op.args.get("protocol") == "UDP" else "tcp",
        op.args.get("description") or "",
        op.args.get("experimentalSkipHealthcheck") or False,
    )
    return state.configured(exposed_ports=(*_other_ports(state, port), port))


@operation("Container.withoutExposedPort")
async def without_exposed_port(engine: Engine, op: Op) -> ContainerState:
    """Stop exposing a port."""
    state = await engine.container(op)
    port = ExposedPort(op.args["port"], "udp" if op.args.get("protocol") == "UDP" else "tcp")
    return state.configured(exposed_ports=_other_ports(state, port))


def _other_ports(state: ContainerState, port: ExposedPort) -> tuple[ExposedPort, ...]:
    return tuple(known for known in state.config.exposed_ports if str(known) != str(port))


@operation("Container.withDockerHealthcheck")
async def with_docker_healthcheck(engine: Engine, op: Op) -> ContainerState:
    """Set Docker's HEALTHCHECK."""
    state = await engine.container(op)
    kind = "CMD-SHELL" if op.args.get("shell") else "CMD"
    if kind == "CMD-SHELL" and len(op.args["args"]) != 1:
        raise EngineError("withDockerHealthcheck args must be a single element when shell mode is set")
    if not op.args["args"]:
        raise EngineError("withDockerHealthcheck args is missing")
    check: dict[str, Any] = {"Test": [kind, *op.args["args"]]}
    for name in ("interval", "timeout", "startPeriod", "startInterval"):
        if op.args.get(name):
            check[name[0].upper() + name[1:]] = duration_ns(op.args[name])
    if op.args.get("retries"):
        check["Retries"] = op.args["retries"]
    return state.configured(healthcheck=check)


@operation("Container.withoutDockerHealthcheck")
async def without_docker_healthcheck(engine: Engine, op: Op) -> ContainerState:
    """Unset the HEALTHCHECK."""
    return (await engine.container(op)).configured(healthcheck=None)


def duration_ns(text: str) -> int:
    """Read a Go duration such as `1m30s` as nanoseconds; raises EngineError."""
    pieces = DURATION.findall(text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        raise EngineError(f'time: invalid duration "{text}": expected for example 30s or 1m30s')
    return sum(round(float(number) * UNITS_NS[unit]) for number, unit in pieces)


def duration_text(nanoseconds: int) -> str:
    """Write nanoseconds as Go does: `1m30s`."""
    hours, rest = divmod(nanoseconds, UNITS_NS["h"])
    minutes, rest = divmod(rest, UNITS_NS["m"])
    seconds = f"{rest / UNITS_NS['s']:.9f}".rstrip("0").rstrip(".")
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds}s"
