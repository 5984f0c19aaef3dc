"""Stage 2 of 8, as the service has it: its folder in, the pins of a variant out, whatever lock it keeps."""

import dagger
from dagger import dag

from pipeline import source as sources
from pipeline.builder import Builder
from pipeline.config import VariantConfig
from pipeline.errors import LockError
from pipeline.lock import REFRESH, Lock


async def found_lock(
    builder: Builder, source: dagger.Directory, name: str, declared: VariantConfig
) -> tuple[str, Lock]:
    """Return the first lock that the service has for a variant, and its path.

    Args:
        builder: runs uv, which alone reads its own lock.
        source: the service's folder.
        name: of the variant.
        declared: what the service declares for it.

    Raises:
        LockError: there is none, or a line of it is no pin with a hash.

    """
    path = f"requirements/{name}.txt"
    if (text := await sources.text(source, path)) is not None:
        return path, Lock.parse(text, path=path)
    for pylock in (f"pylock.{name}.toml", "pylock.toml"):
        if (text := await sources.text(source, pylock)) is not None:
            return pylock, Lock.parse_pylock(text, path=pylock)
    if (text := await sources.text(source, "uv.lock")) is not None:
        return "uv.lock", Lock.parse(await _exported(builder, source, text, declared), path="uv.lock")
    raise LockError.of(
        f"no lock for variant {name!r}",
        expected=f"{path}, pylock.toml or uv.lock",
        do=REFRESH,
    )


async def _exported(builder: Builder, source: dagger.Directory, uv_lock: str, declared: VariantConfig) -> str:
    """Return the requirements that uv exports from its own lock, as text."""
    project = (
        dag.directory()
        .with_file("pyproject.toml", source.file("pyproject.toml"))
        .with_new_file("uv.lock", uv_lock)
    )
    export = ["uv", "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-header"]
    export += [word for extra in declared.extras for word in ("--extra", extra)]
    return await (
        builder.tools().with_mounted_directory("/in", project).with_workdir("/in").with_exec(export).stdout()
    )
