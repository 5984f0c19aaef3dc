"""Stage 2 of 8, the other way round: what the project declares in, fresh lock files out."""

from typing import Final

import dagger
from dagger import dag

from pipeline.build.lock import Lock
from pipeline.build.lock_files import without_own_folders
from pipeline.build.lock_lines import NO_HASH, Wrong, parsed
from pipeline.build.project import Project
from pipeline.build.stages import TEST_LOCK
from pipeline.config import Config
from pipeline.errors import LockError
from pipeline.variants import Variant

PROJECT: Final = "/in"
UV_CACHE: Final = "/root/.cache/uv"
SEED: Final = ("python3", "/programs/seed_locks.py")
DECIDING: Final = (
    *("**/pyproject.toml", "requirements/*.txt", "*requirements*.txt"),
    *("poetry.lock", "pdm.lock", "Pipfile.lock"),
)
"""What of a project decides its locks."""
COMPILE: Final = ("uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header")


async def fresh_locks(project: Project, *, upgrade: bool, now: str) -> dagger.Directory:
    """Return requirements/<variant>.txt of every variant, requirements/test.txt and models.lock.

    Args:
        project: the service.
        upgrade: take the newest versions that the project allows; else keep pins that still fit.
        now: any text that differs from the last call's, because the index changes without notice.

    Raises:
        dagger.ExecError: no set of versions satisfies the project, or a model cannot be fetched.
        LockError: a requirement can be locked by nothing that a build accepts, e.g. a git repository.

    """
    config = project.config
    _require_lockable(config)
    paths = [f"requirements/{name}.txt" for name in config.service.variants]
    container = (await _container(project)).with_exec([*SEED, PROJECT, *paths])
    container = container.with_env_variable("WHEELHOUSE_NOW", now)
    for command in _compilations(config, upgrade=upgrade):
        container = container.with_exec(command)
    container = container.with_exec(["sed", "-i", f"s,file://{PROJECT}/,./,", *paths])
    locks = dag.directory().with_directory("requirements", container.directory(f"{PROJECT}/requirements"))
    await _require_accepted(project, locks)
    if not config.service.models:
        return locks
    pyproject = project.source.file("pyproject.toml")
    model_builder = project.model_builder(await project.files.text("models.lock") or "")
    return locks.with_file("models.lock", model_builder.fresh_lock(pyproject, now))


async def lock_changes(project: Project, *, at: str, now: str) -> dagger.Changeset:
    """Return fresh locks as a change of the workspace that has the service in the folder `at`."""
    before = dag.directory().with_directory(at, project.source)
    locks = await fresh_locks(project, upgrade=False, now=now)
    return before.with_directory(at, locks).changes(before)


def _require_lockable(config: Config) -> None:
    """Check that no declared requirement is a repository, an archive or a folder: none has a fixed hash."""
    declared = dict.fromkeys(
        line for name in config.service.variants for line in config.requirements(Variant(name))
    )
    wrong = []
    for line in declared:
        found = parsed(line) if " @ " in line else None
        if isinstance(found, Wrong) and found is not NO_HASH:
            wrong.append(f"pyproject.toml: {line!r} {found.found}; expected {found.expected}. {found.do}")
    if wrong:
        raise LockError("\n".join(wrong))


async def _require_accepted(project: Project, locks: dagger.Directory) -> None:
    """Check that a build reads what was written: an error now, not after it was committed."""
    service = project.config.service
    for name in service.variants:
        path = f"requirements/{name}.txt"
        text, _ = await without_own_folders(
            project.files, await locks.file(path).contents(), service.packages
        )
        Lock.parse(text, path=path)


async def _container(project: Project) -> dagger.Container:
    """Return a container with uv, the index, and of the project only what decides its locks."""
    locks = project.source.filter(include=list(DECIDING))
    builder = project.builder
    container = (
        builder.online(builder.tools("seed_locks.py"))
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
    """Return one uv command per lock file; tests are locked with the first variant's pins."""
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
