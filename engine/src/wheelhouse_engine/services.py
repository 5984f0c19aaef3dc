"""Run services: each in its own network namespace, one instance per key, stopped at the end."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from wheelhouse_engine import attaching, execs
from wheelhouse_engine.capturing import STREAMS, Capture
from wheelhouse_engine.containers import Ended, signal_process
from wheelhouse_engine.errors import EngineError, ExecError
from wheelhouse_engine.forwarding import accepts, forward
from wheelhouse_engine.graph import digest_of
from wheelhouse_engine.healthchecks import HealthCheck
from wheelhouse_engine.masking import text_of
from wheelhouse_engine.network import Network
from wheelhouse_engine.states import ServiceState

if TYPE_CHECKING:
    from wheelhouse_engine.engine import Engine

READY_LIMIT_S: Final = 15 * 60
"""How long a service may take until its ports answer. Source: Dagger's own limit (dagger#11443)."""
STOP_LIMIT_S: Final = 10
"""TERM to KILL. Source: Dagger's services.go."""
DIAL_PAUSE_S: Final = 0.05
DETACH_S: Final = 10
"""How long a service runs on after its last user. Source: Dagger's services.go."""
LOOPBACK: Final = range(64, 128)
"""Second part of the loopback addresses that services of the host get."""


def loopback_address(process: int, number: int) -> str:
    """Return the address of a process's service of the host, by its number from 1.

    Two processes on one machine have services with equal ports: their addresses differ for as long
    as their ids do modulo 16,384.
    """
    second = LOOPBACK[process // 256 % len(LOOPBACK)]
    return f"127.{second}.{(process + number // 250) % 256}.{number % 250 + 1}"


@dataclass(slots=True)
class Running:
    """Hold a started service."""

    address: str
    process: asyncio.Task[Ended] | None
    laid: attaching.Laid | None = None
    users: int = 0
    """Execs and services that are bound to it now."""
    held: bool = False
    """Started by name: runs until it is stopped by name or the session ends."""
    capture: Capture | None = None
    """What it writes, from when it starts."""
    forwards: list[asyncio.Server] = field(default_factory=list)


@dataclass(slots=True)
class Services:
    """Start each service once; equal services are one."""

    network: Network
    _running: dict[str, asyncio.Future[Running]] = field(default_factory=dict)
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)
    _addresses: int = 0

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
        space, address = await self.network.join()
        running = Running(address, None)
        ready: asyncio.Future[attaching.Laid] = asyncio.get_running_loop().create_future()
        running.process = asyncio.create_task(self._run(engine, state, space, running, ready))
        try:
            async with engine.step(
                state.key, f"service {alias or hostname(state)} {' '.join(command(state))}"
            ):
                waited: set[asyncio.Future[Any]] = {running.process, ready}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                await self._until_ready(engine, state, running, alias)
        except BaseException:
            await self._end(running, kill=True)  # nobody else knows of it yet
            raise
        return running

    async def _run(
        self,
        engine: "Engine",
        state: ServiceState,
        space: str,
        running: Running,
        ready: "asyncio.Future[attaching.Laid]",
    ) -> Ended:
        """Run the service's process to its end, then remove its container."""
        assert state.container is not None  # noqa: S101 - host services are forwarded instead
        image = await engine.rootfs_image(state.container.rootfs)
        order = execs.Command(
            command(state), state.all_capabilities, not state.no_init, (), hostname(state), space
        )

        with engine.store.scratch(engine.session) as scratch:
            async with (
                self.network.kept(space),
                attaching.caches(engine, state.container) as folders,
                self.bound(engine, state.container.bindings, apart=True) as hosts,
                engine.buildah.working(image) as working,
            ):
                order = replace(order, caches=folders, hosts=hosts)
                async with execs.laid(engine, state.container, order, working, scratch) as laid:
                    running.laid = laid
                    running.capture = Capture(laid.mask, partial(engine.progress.output, state.key))
                    ready.set_result(laid)
                    try:
                        return await engine.containers.run(laid.bundle, stdin=b"", sink=running.capture.sink)
                    finally:
                        running.capture.close()

    async def _until_ready(self, engine: "Engine", state: ServiceState, running: Running, alias: str) -> None:
        """Wait until the health check passes, else every exposed TCP port accepts; or the process ends."""
        assert state.container is not None and running.process is not None  # noqa: S101, PT018
        check = HealthCheck.of(state.container.config)
        if check is not None and running.laid is not None:
            await check.until_healthy(engine, running.laid, running.process)
            if running.process.done():
                raise _died(engine, state, running, alias)
            return
        ports = [
            port.port
            for port in state.container.config.exposed_ports
            if port.protocol == "tcp" and not port.skip_healthcheck
        ]
        limit = time.monotonic() + READY_LIMIT_S
        while True:
            if running.process.done():
                raise _died(engine, state, running, alias)
            if all([await accepts(running.address, port) for port in ports]):
                return
            if time.monotonic() > limit:
                raise EngineError(f"service {alias}: ports {ports} did not answer within {READY_LIMIT_S} s")
            await asyncio.wait({running.process}, timeout=DIAL_PAUSE_S)

    async def _forward(self, state: ServiceState) -> Running:
        """Make ports of the host reachable from execs, which share the host's network.

        Each service of the host gets a loopback address of its own, so that its
        frontend ports never meet a port in use.
        """
        self._addresses += 1
        running = Running(loopback_address(os.getpid(), self._addresses), None)
        for front, back in state.ports:
            running.forwards.append(await forward(front, state.host, back, running.address))
        return running

    async def reach(self, engine: "Engine", state: ServiceState, port: int) -> str:
        """Return `127.0.0.1:PORT`, behind which a port of a service answers until the session ends."""
        running = await self.start(engine, state)
        running.held = True
        server = await forward(0, running.address, port)
        running.forwards.append(server)
        return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    @contextlib.asynccontextmanager
    async def bound(
        self, engine: "Engine", bindings: tuple[tuple[str, ServiceState], ...], *, apart: bool = False
    ) -> AsyncIterator[list[tuple[str, str]]]:
        """Keep what is bound running; give address and names for /etc/hosts.

        Who is `apart`, in a network of its own, reaches the host's services on the bridge.
        A service ends some seconds after its last user, unless it was started
        by name.
        """
        found = await asyncio.gather(*(self.start(engine, state, alias) for alias, state in bindings))
        for running in found:
            running.users += 1
        try:
            async with contextlib.AsyncExitStack() as stack:
                listed = []
                for running, (alias, state) in zip(found, bindings, strict=True):
                    address = running.address
                    if apart and state.container is None:
                        address = await stack.enter_async_context(self.network.address())
                        for front, back in state.ports:
                            stack.callback((await forward(front, state.host, back, address)).close)
                    listed.append((address, f"{alias} {hostname(state)}"))
                yield listed
        finally:
            for running, (_, state) in zip(found, bindings, strict=True):
                self._leave(running, state)

    def _leave(self, running: Running, state: ServiceState) -> None:
        """End a service after a while if nobody came to use it again."""
        running.users -= 1
        if running.users or running.held:
            return

        async def later() -> None:
            await asyncio.sleep(DETACH_S)
            if not running.users and not running.held:
                await self.stop(state, running)

        task = asyncio.ensure_future(later())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def stop(self, state: ServiceState, only: Running | None = None, *, kill: bool = False) -> None:
        """End a service: TERM, then KILL after the grace time; `only` spares one started since."""
        future = self._running.get(state.key)
        if future is None or not future.done() or future.cancelled() or future.exception() is not None:
            return
        if only is None or future.result() is only:
            self._running.pop(state.key)
            await self._end(future.result(), kill=kill)

    async def _end(self, running: Running, *, kill: bool) -> None:
        for server in running.forwards:
            server.close()
        process = running.process
        if process is None or process.done():
            return
        if running.laid is not None and not kill:
            signal_process(running.laid.bundle, signal.SIGTERM)
            await asyncio.wait({process}, timeout=STOP_LIMIT_S)
        process.cancel()  # kills what is left, also a container that is only being made
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await process

    async def close(self) -> None:
        """End every service and remove the network."""
        for task in list(self._leaving):
            task.cancel()
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
    texts = [text_of(running.capture.output(one)) if running.capture else "" for one in STREAMS]
    ended = process.result()
    missing = execs.not_found(ended)
    if ended.failure and not missing:
        return execs.runtime_failure(engine, ended)
    code = 1 if missing else ended.returncode
    stderr = missing[0] if missing else texts[1]
    known_as = f" (aliased as {alias})" if alias else ""
    message = f"start {hostname(state)}{known_as}: exit code: {code}"
    return ExecError(list(command(state)), code, texts[0], stderr, message)
