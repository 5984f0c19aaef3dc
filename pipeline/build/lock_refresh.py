"""Stage 2 of 8, the other way round: what the project declares in, fresh lock files out."""

from typing import Final

import dagger
from dagger import dag

from pipeline.build.assembly import TEST_LOCK, Assembly
from pipeline.build.lock import Lock
from pipeline.config import Config

PROJECT: Final = "/in"
UV_CACHE: Final = "/root/.cache/uv"
COMPILE: Final = ("uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header")


async def fresh_locks(assembly: Assembly, *, upgrade: bool, now: str) -> dagger.Directory:
    """Return requirements/<variant>.txt of every variant, requirements/test.txt and models.lock.

    Args:
        assembly: the service.
        upgrade: take the newest versions that the project allows; else keep pins that still fit.
        now: any text that differs from the last call's, because the index changes without notice.

    Raises:
        dagger.ExecError: no set of versions satisfies the project, or a model cannot be fetched.
        LockError: a requirement can be locked by nothing that a build accepts, e.g. a git repository.

    """
    config = assembly.config
    container = await _project(assembly)
    container = container.with_env_variable("WHEELHOUSE_NOW", now)
    for command in _compilations(config, upgrade=upgrade):
        container = container.with_exec(command)
    locks = dag.directory().with_directory("requirements", container.directory(f"{PROJECT}/requirements"))
    await _require_accepted(locks, config)
    if not config.service.models:
        return locks
    pyproject = assembly.source.file("pyproject.toml")
    model_builder = assembly.model_builder(await assembly.files.text("models.lock") or "")
    return locks.with_file("models.lock", model_builder.fresh_lock(pyproject, now))


async def lock_changes(assembly: Assembly, *, at: str, now: str) -> dagger.Changeset:
    """Return fresh locks as a change of the workspace that has the service in the folder `at`."""
    before = dag.directory().with_directory(at, assembly.source)
    locks = await fresh_locks(assembly, upgrade=False, now=now)
    return before.with_directory(at, locks).changes(before)


async def _require_accepted(locks: dagger.Directory, config: Config) -> None:
    """Check that a build reads what was written: an error now, not after it was committed."""
    for name in config.service.variants:
        path = f"requirements/{name}.txt"
        Lock.parse(await locks.file(path).contents(), path=path)


async def _project(assembly: Assembly) -> dagger.Container:
    """Return a container with uv, the index, and of the project only what decides its locks."""
    locks = assembly.source.filter(include=["pyproject.toml", "requirements/*.txt"])
    builder = assembly.builder
    container = (
        builder.online(builder.tools())
        .with_mounted_cache(UV_CACHE, dag.cache_volume("wheelhouse-uv"))
        .with_env_variable("UV_CACHE_DIR", UV_CACHE)
        .with_directory(PROJECT, locks)
        .with_directory(f"{PROJECT}/requirements", dag.directory())
        .with_workdir(PROJECT)
    )
    return (
        container.with_env_variable("UV_DEFAULT_INDEX", builder.index_url) if builder.index_url else container
    )


def _compilations(config: Config, *, upgrade: bool) -> list[list[str]]:
    """Return one uv command per lock file; tests are locked beside the first variant's pins."""
    compile_all = [*COMPILE, "--no-emit-index-url", "--python-version", config.service.python]
    compile_all += ["--upgrade"] * upgrade
    commands = []
    for name, variant in config.service.variants.items():
        extras = [word for extra in variant.extras for word in ("--extra", extra)]
        commands.append(
            [*compile_all, *extras, "pyproject.toml", "--output-file", f"requirements/{name}.txt"]
        )
    if "test" in config.groups:
        first = f"requirements/{next(iter(config.service.variants))}.txt"
        tests = ["--group", "test", "--constraint", first, "pyproject.toml", "--output-file", TEST_LOCK]
        commands.append([*compile_all, *tests])
    return commands
