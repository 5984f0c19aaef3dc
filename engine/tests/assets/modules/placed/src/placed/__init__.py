"""A module that says where it is."""

from pathlib import Path

from dagger import dag, function, object_type


@object_type
class Placed:
    """Looks around."""

    @function
    async def source(self) -> list[str]:
        """Names in its own source, without what a Dagger engine generates."""
        found = await dag.current_module().source().entries()
        return [name for name in found if name not in (".gitattributes", ".gitignore", "sdk/")]

    @function
    async def work(self) -> list[str]:
        """Names in the folder that it runs in, before and after it wrote a file."""
        before = [path.name for path in Path.cwd().iterdir()]
        Path("made.txt").write_text("made")
        after = await dag.current_module().workdir(".").entries()
        return [str(before), str(after), await dag.current_module().workdir_file("made.txt").contents()]

    @function
    async def folder(self, path: str) -> list[str]:
        """Names in a folder below the one that it runs in."""
        return await dag.current_module().workdir(path).entries()
