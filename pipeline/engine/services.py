"""Run services: each in its own network namespace, one instance per key, stopped at the end."""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pipeline.engine import execs
from pipeline.engine.buildah import signal_container, without_noise
from pipeline.engine.errors import EngineError, ExecError
from pipeline.engine.graph import digest_of
from pipeline.engine.runner import Completed, Runner, checked
from pipeline.engine.states import ServiceState

if TYPE_CHECKING:
    from pipeline.engine.engine import Engine

READY_LIMIT_S: Final = 15 * 60
"""How long a service may take until its ports answer. Source: Dagger's own limit (dagger#11443)."""
STOP_LIMIT_S: Final = 10
"""TERM to KILL. Source: Dagger's services.go."""
DIAL_PAUSE_S: Final = 0.05


@dataclass(slots=True)
class Network:
    """Be a bridge of this session, and the namespaces on it; needs root."""

    runner: Runner
    name: str = field(default_factory=lambda: f"wh{secrets.token_hex(4)}")
    subnet: str = field(default_factory=lambda: f"10.{100 + secrets.randbelow(100)}.{secrets.randbelow(256)}")
    _made: bool = False
    _count: int = 1
    _namespaces: list[str] = field(default_factory=list)

    async def _ip(self, *words: str) -> None:
        await checked(self.runner, ["ip", *words])

    async def join(self) -> tuple[str, str]:
        """Make a namespace on the bridge; return its path and its address."""
        if os.geteuid() != 0:
            raise EngineError(
                "services need root here: each gets a network namespace of its own. "
                "Run with sudo, or use a Dagger engine."
            )
        self._count += 1
        number = self._count
        if not self._made:
            self._made = True
            await self._ip("link", "add", self.name, "type", "bridge")
            await self._ip("addr", "add", f"{self.subnet}.1/24", "dev", self.name)
            await self._ip("link", "set", self.name, "up")
        space = f"{self.name}-{number}"
        self._namespaces.append(space)
        outer, inner = f"{self.name[2:]}o{number}", f"{self.name[2:]}i{number}"
        await self._ip("netns", "add", space)
        await self._ip("link", "add", outer, "type", "veth", "peer", "name", inner)
        await self._ip("link", "set", inner, "netns", space, "name", "eth0")
        await self._ip("link", "set", outer, "master", self.name, "up")
        address = f"{self.subnet}.{number}"
        for words in (
            ["link", "set", "lo", "up"],
            ["addr", "add", f"{address}/24", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
            ["route", "add", "default", "via", f"{self.subnet}.1"],
        ):
            await self._ip("-n", space, *words)
        return f"/run/netns/{space}", address

    async def close(self) -> None:
        """Remove the namespaces and the bridge."""
        for space in self._namespaces:
            await self.runner.run(["ip", "netns", "del", space])
        if self._made:
            await self.runner.run(["ip", "link", "del", self.name])
        self._namespaces.clear()
        self._made = False


@dataclass(slots=True)
class Running:
    """Hold a started service."""

    address: str
    process: asyncio.Task[Completed] | None
    laid: execs.Laid | None = None
    output: dict[str, bytearray] = field(
        default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()}
    )
    users: int = 0
    forwards: list[asyncio.Server] = field(default_factory=list)


@dataclass(slots=True)
class Services:
    """Start each service once; equal services are one."""

    network: Network
    _running: dict[str, asyncio.Future[Running]] = field(default_factory=dict)

    async def start(self, engine: "Engine", state: ServiceState, alias: str = "") -> Running:
        """Return the running service, starting it if needed; raises ExecError if it dies first."""
        future = self._running.get(state.key)
        if future is not None and future.done() and _ended(future):
            self._running.pop(state.key)
            future = None
        if future is None:
            future = asyncio.ensure_future(self._start(engine, state, alias))
            self._running[state.key] = future
        try:
            return await asyncio.shield(future)
        except BaseException:
            if future.done():
                self._running.pop(state.key, None)
            raise

    async def _start(self, engine: "Engine", state: ServiceState, alias: str) -> Running:
        if state.container is None:
            return await self._forward(state)
        hosts = await self.hosts(engine, state.container.bindings)
        space, address = await self.network.join()
        running = Running(address, None)
        ready: asyncio.Future[execs.Laid] = asyncio.get_running_loop().create_future()
        running.process = asyncio.create_task(self._run(engine, state, (space, hosts), running, ready))
        async with engine.step(state.key, f"service {alias or hostname(state)} {' '.join(command(state))}"):
            waited: set[asyncio.Future[Any]] = {running.process, ready}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            await self._until_ready(engine, state, running, alias)
        return running

    async def _run(
        self,
        engine: "Engine",
        state: ServiceState,
        net: tuple[str, list[tuple[str, str]]],
        running: Running,
        ready: "asyncio.Future[execs.Laid]",
    ) -> Completed:
        """Run the service's process to its end, then remove its container."""
        assert state.container is not None  # noqa: S101 - host services are forwarded instead
        image = await engine.rootfs_image(state.container.rootfs)
        order = execs.Command(
            command(state), state.all_capabilities, not state.no_init, net[1], hostname(state)
        )

        def sink(stream: str, data: bytes) -> None:
            running.output[stream] += data
            engine.progress.output(state.key, stream, engine.secrets.scrub(data.decode(errors="replace")))  # type: ignore[arg-type]

        with engine.store.scratch(engine.session) as scratch:
            async with (
                execs.caches(engine, state.container) as folders,
                engine.buildah.working(image) as working,
            ):
                order = replace(order, caches=folders)
                laid = await execs.lay(engine, state.container, order, working, scratch)
                running.laid = laid
                ready.set_result(laid)
                try:
                    return await engine.buildah.run(
                        working, laid.spec, network=f"ns:{net[0]}", stdin=b"", sink=sink
                    )
                finally:
                    execs.forget(laid)

    async def _until_ready(self, engine: "Engine", state: ServiceState, running: Running, alias: str) -> None:
        """Wait until every exposed TCP port accepts a connection, or the process ends."""
        assert state.container is not None and running.process is not None  # noqa: S101, PT018
        ports = [
            port.port
            for port in state.container.config.exposed_ports
            if port.protocol == "tcp" and not port.skip_healthcheck
        ]
        limit = time.monotonic() + READY_LIMIT_S
        while True:
            if running.process.done():
                raise _died(engine, state, running, alias)
            if all([await _accepts(running.address, port) for port in ports]):
                return
            if time.monotonic() > limit:
                raise EngineError(f"service {alias}: ports {ports} did not answer within {READY_LIMIT_S} s")
            await asyncio.wait({running.process}, timeout=DIAL_PAUSE_S)

    async def _forward(self, state: ServiceState) -> Running:
        """Make ports of the host reachable from execs, which share the host's network."""
        running = Running("127.0.0.1" if state.host in ("localhost", "127.0.0.1") else state.host, None)
        for front, back in state.ports:
            if front != back:
                running.forwards.append(await forward(front, state.host, back))
        return running

    async def hosts(
        self, engine: "Engine", bindings: tuple[tuple[str, ServiceState], ...]
    ) -> list[tuple[str, str]]:
        """Start what is bound, at the same time; return address and names for /etc/hosts."""
        found = await asyncio.gather(*(self.start(engine, state, alias) for alias, state in bindings))
        return [
            (running.address, f"{alias} {hostname(state)}")
            for running, (alias, state) in zip(found, bindings, strict=True)
        ]

    async def stop(self, state: ServiceState, *, kill: bool = False) -> None:
        """End a service: TERM, then KILL after the grace time."""
        future = self._running.pop(state.key, None)
        if future is not None and future.done() and not future.cancelled() and future.exception() is None:
            await self._end(future.result(), kill=kill)

    async def _end(self, running: Running, *, kill: bool) -> None:
        for server in running.forwards:
            server.close()
        process = running.process
        if process is None or running.laid is None or process.done():
            return
        signal_container(running.laid.spec, signal.SIGKILL if kill else signal.SIGTERM)
        await asyncio.wait({process}, timeout=STOP_LIMIT_S)
        if not process.done():
            signal_container(running.laid.spec, signal.SIGKILL)
            await asyncio.wait({process}, timeout=STOP_LIMIT_S)
        if not process.done():
            process.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await process

    async def close(self) -> None:
        """End every service and remove the network."""
        futures = list(self._running.values())
        self._running.clear()
        for future in futures:
            if not future.done():
                future.cancel()
        done = await asyncio.gather(*futures, return_exceptions=True)
        await asyncio.gather(*(self._end(one, kill=True) for one in done if isinstance(one, Running)))
        await self.network.close()


def hostname(state: ServiceState) -> str:
    """Return the stable host name of a service: 13 characters of its key."""
    return state.hostname or digest_of("hostname", state.key)[:13]


def command(state: ServiceState) -> tuple[str, ...]:
    """Return what the service runs: its arguments, else the container's default ones."""
    assert state.container is not None  # noqa: S101
    return state.args or state.container.config.cmd or ()


def _ended(future: "asyncio.Future[Running]") -> bool:
    if future.cancelled() or future.exception() is not None:
        return True
    process = future.result().process
    return process is not None and process.done()


def _died(engine: "Engine", state: ServiceState, running: Running, alias: str) -> Exception:
    """Return the error of a service that ended before it was ready."""
    process = running.process
    if process is None or process.cancelled():
        return EngineError(f"service {alias} was stopped")
    if (error := process.exception()) is not None:
        return error if isinstance(error, EngineError) else EngineError(str(error))
    outputs = (running.output["stdout"], without_noise(bytes(running.output["stderr"])))
    texts = [engine.secrets.scrub(data.decode(errors="replace")) for data in outputs]
    missing = execs.not_found(process.result().stderr)
    code = 1 if missing else process.result().returncode
    stderr = missing[0] if missing else texts[1]
    message = f"start {hostname(state)} (aliased as {alias}): exit code: {code}"
    return ExecError(list(command(state)), code, texts[0], stderr, message)


async def _accepts(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def forward(front: int, address: str, back: int) -> asyncio.Server:
    """Listen on the host's loopback and pass connections on; raises EngineError for a port in use."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(address, back)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    try:
        return await asyncio.start_server(serve, "127.0.0.1", front)
    except OSError as error:
        raise EngineError(
            f"port {front} on 127.0.0.1 cannot be used: {error.strerror}. "
            "Stop what listens there or choose another port (--ports FRONT:BACK)."
        ) from error


async def _pump(reader: asyncio.StreamReader, writer: Any) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
