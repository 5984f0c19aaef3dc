"""A module that looks at its own source."""

from dagger import dag, function, object_type

BASE = "python:3.13-slim"


@object_type
class Sourced:
    """Functions on the module's source."""

    @function
    async def names(self) -> list[str]:
        """List every path of the source."""
        return await dag.current_module().source().glob("**")

    @function
    async def chosen(self, pattern: str) -> list[str]:
        """List the paths that a filter keeps."""
        return await dag.current_module().source().filter(include=[pattern]).glob("**")

    @function
    async def text(self, path: str) -> str:
        """Read one file of the source."""
        return await dag.current_module().source().file(path).contents()

    @function
    async def built(self, pattern: str) -> str:
        """Return a number that an exec with a part of the source makes; each run makes another."""
        part = dag.current_module().source().filter(include=[pattern])
        program = "import uuid, pathlib; pathlib.Path('/number').write_text(uuid.uuid4().hex)"
        made = dag.container().from_(BASE).with_mounted_directory("/part", part)
        return await made.with_exec(["python3", "-c", program]).file("/number").contents()
