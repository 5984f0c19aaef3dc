"""Give services a network: a bridge of the session and a namespace each; needs root."""

import asyncio
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.engine.errors import EngineError
from pipeline.engine.graph import digest_of
from pipeline.engine.privileges import is_machine_root
from pipeline.engine.runner import Runner, checked


@dataclass(slots=True)
class Network:
    """Be a bridge of this session, and the namespaces on it; needs root."""

    runner: Runner
    name: str = field(default_factory=lambda: f"wh{secrets.token_hex(4)}")
    """Of the bridge, and the beginning of the namespaces' names."""
    subnet: str = field(default_factory=lambda: f"10.{100 + secrets.randbelow(100)}.{secrets.randbelow(256)}")
    _made: bool = False
    _count: int = 1
    _namespaces: list[str] = field(default_factory=list)
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
        self._count += 1
        number = self._count
        async with self._lock:
            await self._bridge()
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

    async def _bridge(self) -> None:
        """Make the bridge once, on a subnet that nothing here uses.

        There is no address translation, which would need a packet filter
        program: services reach each other and this machine, not the internet.
        """
        if self._made:
            return
        taken = (await self.runner.run(["ip", "-4", "-o", "addr"])).text
        while f" {self.subnet}." in taken:
            self.subnet = f"10.{100 + secrets.randbelow(100)}.{secrets.randbelow(256)}"
        await self._ip("link", "add", self.name, "type", "bridge")
        self._made = True
        await self._ip("addr", "add", f"{self.subnet}.1/24", "dev", self.name)
        await self._ip("link", "set", self.name, "up")

    async def address(self) -> str:
        """Return one more address of the host on the bridge, free of listeners."""
        async with self._lock:
            await self._bridge()
        self._count += 1
        address = f"{self.subnet}.{self._count}"
        await self._ip("addr", "add", f"{address}/32", "dev", self.name)
        return address

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
        for space in self._namespaces:
            await self.runner.run(["ip", "netns", "del", space])
        if self._made:
            await self.runner.run(["ip", "link", "del", self.name])
        self._namespaces.clear()
        self._made = False


def network_name(session: str) -> str:
    """Return the name of a session's bridge: at most 15 characters, which is the kernel's limit."""
    return f"wh{digest_of('network', session)[:8]}"
