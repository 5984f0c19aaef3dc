"""Service: start, stop, reach."""

import asyncio
from dataclasses import replace

from wheelhouse_engine import services
from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.forwarding import forward
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import operation, refuse
from wheelhouse_engine.imageconfig import ExposedPort
from wheelhouse_engine.ops.config import expand
from wheelhouse_engine.ops.values import many, port_value
from wheelhouse_engine.states import ServiceState


@operation("Container.asService")
async def as_service(engine: Engine, op: Op) -> ServiceState:
    """Describe a service of this container; it starts when something needs it."""
    return await service_of(engine, op)


async def service_of(engine: Engine, op: Op) -> ServiceState:
    """Return the service that the arguments `args`, `useEntrypoint`, … describe."""
    refuse(op, "experimentalPrivilegedNesting")
    state = await engine.container(op)
    given = op.args.get("args") or []
    words = given or list(state.config.cmd or ())
    # What the image itself would run is its entrypoint with its default arguments.
    if op.args.get("useEntrypoint") or not (given or state.own_default_args):
        words = [*(state.config.entrypoint or ()), *words]
    if not words:
        raise EngineError("no command has been set")
    wanted = op.args.get("expand", False)
    return ServiceState(
        replace(state, last=None),
        tuple(expand(state, word, wanted=wanted) for word in words),
        op.args.get("insecureRootCapabilities", False),
        op.args.get("noInit", False),
    )


async def state_of(engine: Engine, op: Op) -> ServiceState:
    """Evaluate the service that the field is asked on."""
    state: ServiceState = await engine.parent(op)
    return state


def _id(op: Op) -> str:
    assert op.parent is not None  # noqa: S101 - a service field has a parent
    return op.parent.digest


@operation("Service.start", "Service.sync")
async def start(engine: Engine, op: Op) -> str:
    """Start the service and wait until it is ready."""
    running = await engine.services.start(engine, await state_of(engine, op))
    running.held = True
    return _id(op)


@operation("Service.stop")
async def stop(engine: Engine, op: Op) -> str:
    """Stop the service."""
    await engine.services.stop(await state_of(engine, op), kill=op.args.get("kill", False))
    return _id(op)


@operation("Service.withHostname")
async def with_hostname(engine: Engine, op: Op) -> ServiceState:
    """Give the service a host name of its own."""
    return replace(await state_of(engine, op), hostname=op.args["hostname"])


@operation("Service.hostname")
async def hostname(engine: Engine, op: Op) -> str:
    """Return the host name at which execs reach the service."""
    return services.hostname(await state_of(engine, op))


def ports_of(state: ServiceState) -> list[ExposedPort]:
    """Return the ports of a service."""
    if state.container is None:
        return [ExposedPort(front) for front, _ in state.ports]
    return list(state.container.config.exposed_ports)


@operation("Service.ports")
async def ports(engine: Engine, op: Op) -> list[Op]:
    """Return the ports of the service."""
    return many(engine, op, [port_value(port) for port in ports_of(await state_of(engine, op))])


@operation("Service.endpoint")
async def endpoint(engine: Engine, op: Op) -> str:
    """Return `host:port`, or a URL when a scheme is given."""
    state = await state_of(engine, op)
    known = ports_of(state)
    port = op.args.get("port") or (known[0].port if known else None)
    if port is None:
        raise EngineError("no ports exposed")
    place = f"{services.hostname(state)}:{port}"
    return f"{op.args['scheme']}://{place}" if op.args.get("scheme") else place


@operation("Service.up")
async def up(engine: Engine, op: Op) -> None:
    """Serve on the host's loopback until the session is interrupted."""
    await serve(engine, op, await state_of(engine, op))


@operation("Container.up")
async def container_up(engine: Engine, op: Op) -> None:
    """Serve this container on the host's loopback until the session is interrupted."""
    await serve(engine, op, await service_of(engine, op))


async def serve(engine: Engine, op: Op, state: ServiceState) -> None:
    """Forward ports of the loopback to a service until it ends."""
    running = await engine.services.start(engine, state)
    running.held = True
    wanted = [(p.get("frontend") or p["backend"], p["backend"]) for p in op.args.get("ports") or []]
    pairs = wanted or [(port.port, port.port) for port in ports_of(state)]
    if op.args.get("random"):
        pairs = [(0, back) for _, back in pairs]
    for front, back in pairs:
        server = await forward(front, running.address, back)
        running.forwards.append(server)
        shown = server.sockets[0].getsockname()[1]
        engine.progress.warn(f"serving 127.0.0.1:{shown} -> {back}")
    if running.process is not None:
        await asyncio.wait({running.process})


@operation("Host.tunnel")
async def tunnel(engine: Engine, op: Op) -> ServiceState:
    """Make a service reachable on the host's loopback."""
    inner: ServiceState = await engine.evaluate(op.args["service"])
    if inner.container is None:
        raise EngineError("tunneling to non-Container services is not supported")
    running = await engine.services.start(engine, inner)
    running.held = True
    native = [(port.port, port.port) for port in ports_of(inner)] if op.args.get("native") else []
    pairs = native + [(p.get("frontend") or 0, p["backend"]) for p in op.args.get("ports") or []]
    pairs = pairs or [(0, port.port) for port in ports_of(inner)]
    if not pairs:
        raise EngineError("no ports to forward")
    fronts = []
    for front, back in pairs:
        server = await forward(front, running.address, back)
        running.forwards.append(server)
        fronts.append(int(server.sockets[0].getsockname()[1]))
    return ServiceState(None, host="localhost", ports=tuple((f, f) for f in fronts), hostname="localhost")
