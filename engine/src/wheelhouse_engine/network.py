"""Give services a network: a bridge of the session and a namespace each; needs root."""

import asyncio
import contextlib
import ipaddress
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import digest_of
from wheelhouse_engine.privileges import is_machine_root
from wheelhouse_engine.runner import Runner, checked

BITS: Final = 20
"""Length of a session's prefix: 4,092 services and addresses at once, 1,600 sessions on a machine."""
WIDEST: Final = 16
TRIES: Final = 100
_INET: Final = re.compile(r"\binet (\S+)")


def random_subnet() -> ipaddress.IPv4Network:
    """Return a private network that few others use."""
    return ipaddress.IPv4Network(f"10.{100 + secrets.randbelow(100)}.{16 * secrets.randbelow(16)}.0/{BITS}")


@dataclass(slots=True)
class Network:
    """Bridge of a session, and the namespaces on it; needs root."""

    runner: Runner
    name: str = field(default_factory=lambda: f"wh{secrets.token_hex(4)}")
    """Of the bridge, and the beginning of the namespaces' names."""
    subnet: ipaddress.IPv4Network = field(default_factory=random_subnet)
    _made: bool = False
    _last: int = 1
    """Number of the address that was given last; 1 is the bridge's own."""
    _used: dict[str, int] = field(default_factory=dict)
    """Namespaces and addresses in use, with their numbers."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def _ip(self, *words: str) -> None:
        await checked(self.runner, ["ip", *words])

    async def join(self) -> tuple[str, str]:
        """Make a namespace on the bridge; return its path and its address."""
        if not is_machine_root():
            raise EngineError(
                "services need root here: each gets a network namespace of its own. "
                "Run with sudo, or use a Dagger engine."
            )
        async with self._lock:
            await self._bridge()
        number = self._next()
        space = f"{self.name}-{number}"
        self._used[space] = number
        outer, inner = f"{self.name[2:]}o{number}", f"{self.name[2:]}i{number}"
        await self._ip("netns", "add", space)
        await self._ip("link", "add", outer, "type", "veth", "peer", "name", inner)
        await self._ip("link", "set", inner, "netns", space, "name", "eth0")
        await self._ip("link", "set", outer, "master", self.name, "up")
        address = str(self.subnet[number])
        for words in (
            ["link", "set", "lo", "up"],
            ["addr", "add", f"{address}/{BITS}", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
            ["route", "add", "default", "via", str(self.subnet[1])],
        ):
            await self._ip("-n", space, *words)
        return f"/run/netns/{space}", address

    @contextlib.asynccontextmanager
    async def kept(self, path: str) -> AsyncIterator[None]:
        """Remove a namespace when the block ends."""
        try:
            yield
        finally:
            await self.leave(path)

    async def leave(self, path: str) -> None:
        """Remove a namespace, given by its path; its address is free again."""
        space = Path(path).name
        if self._used.pop(space, None) is not None:
            await self.runner.run(["ip", "netns", "del", space])

    def _next(self) -> int:
        """Return the number of a free address: one that was freed is not given again at once."""
        used = set(self._used.values())
        numbers: range = range(2, self.subnet.num_addresses - 1)
        found: int | None = next(
            (one for one in (*numbers[self._last - 1 :], *numbers) if one not in used), None
        )
        if found is None:
            raise EngineError(f"{len(used)} services and addresses are in use at once: no more are possible")
        self._last = found
        return found

    async def _bridge(self) -> None:
        """Make the bridge once, on a subnet that nothing here uses.

        There is no address translation, which would need a packet filter
        program: services reach each other and this machine, not the internet.
        """
        if self._made:
            return
        listed = (await self.runner.run(["ip", "-4", "-o", "addr"])).text
        taken = [ipaddress.ip_network(text, strict=False) for text in _INET.findall(listed)]
        # A route to a wider network, of a VPN say, gives way to ours.
        close = [one for one in taken if one.prefixlen >= WIDEST]
        for _ in range(TRIES):
            if not any(self.subnet.overlaps(one) for one in close):
                break
            self.subnet = random_subnet()
        await self._ip("link", "add", self.name, "type", "bridge")
        self._made = True
        await self._ip("addr", "add", f"{self.subnet[1]}/{BITS}", "dev", self.name)
        await self._ip("link", "set", self.name, "up")

    @contextlib.asynccontextmanager
    async def address(self) -> AsyncIterator[str]:
        """Give one more address of the host on the bridge, free of listeners, while the block runs."""
        async with self._lock:
            await self._bridge()
        number = self._next()
        address = str(self.subnet[number])
        self._used[address] = number
        try:
            await self._ip("addr", "add", f"{address}/32", "dev", self.name)
            yield address
        finally:
            self._used.pop(address, None)
            await self.runner.run(["ip", "addr", "del", f"{address}/32", "dev", self.name])

    async def reap(self, names: set[str]) -> None:
        """Remove bridges and namespaces that killed sessions left."""
        listed = await self.runner.run(["ip", "netns", "list"])
        for space in [line.split()[0] for line in listed.text.splitlines() if line.strip()]:
            if space.rpartition("-")[0] in names:
                await self.runner.run(["ip", "netns", "del", space])
        for name in names:
            if Path("/sys/class/net", name).exists():
                await self.runner.run(["ip", "link", "del", name])

    async def close(self) -> None:
        """Remove the namespaces and the bridge."""
        for space in [one for one in self._used if one.startswith(self.name)]:
            await self.leave(space)
        if self._made:
            await self.runner.run(["ip", "link", "del", self.name])
        self._used.clear()
        self._made = False


def network_name(session: str) -> str:
    """Return the name of a session's bridge: at most 15 characters, which is the kernel's limit."""
    return f"wh{digest_of('network', session)[:8]}"
