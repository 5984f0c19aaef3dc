"""A module that asks for what no module may see."""

import dagger
from dagger import dag, function, object_type


@object_type
class Nosy:
    """Functions that reach for the host and the engine."""

    @function
    async def engine_name(self) -> str:
        """Ask for the engine's name."""
        return await dag.engine().name()

    @function
    async def host_entries(self) -> list[str]:
        """List a folder of the host."""
        return await dag.host().directory("/").entries()

    @function
    async def reloaded(self) -> str:
        """Load a host by its id."""
        return await dag.load_host_from_id("x").find_up("y") or ""

    @function
    def types(self) -> list[str]:
        """Name the hidden types that the client has."""
        names = ("Host", "Engine", "EngineCache", "EngineCacheEntry", "EngineCacheEntrySet", "Directory")
        return [name for name in names if hasattr(dagger, name)]
