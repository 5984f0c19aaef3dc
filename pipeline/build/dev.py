"""Development service: runtime image plus development dependencies, live reload."""

from typing import Final

import dagger
from dagger import dag

from pipeline.build import source as sources
from pipeline.build.image import APP, TEST_PACKAGES, USER, installed_packages
from pipeline.build.project import Project
from pipeline.build.stages import build_image, test_wheels
from pipeline.compat import without_engine
from pipeline.containers import program_files
from pipeline.errors import PipelineError
from pipeline.variants import Base, Variant

LIVE: Final = "/srv/live"


async def live_service(project: Project, variant: Variant, *, debug_port: int, now: str) -> dagger.Service:
    """Return the service on a whole slim base, restarted whenever `send_source` brings a change.

    Args:
        project: the service.
        variant: which image it is like.
        debug_port: TCP port for a debugger, served by debugpy; 0 for none.
        now: any text that differs from the last call's.

    Raises:
        PipelineError: a debugger is asked for and requirements/test.txt has no debugpy.

    """
    await send_source(project, now)
    service = project.config.service
    built = await build_image(project, variant, Base.SLIM)
    wheels = await test_wheels(project, built.lock)
    command = _debugged(list(service.command), debug_port)
    image = built.container.with_mounted_cache(LIVE, _volume(project), owner=USER)
    if wheels:
        packages = installed_packages(project.builder, wheels)
        if debug_port and "debugpy/" not in await packages.entries():
            raise PipelineError.of(
                "no debugpy among the development dependencies",
                expected="it in the group `test`",
                do="Add it to [dependency-groups] test and run `wheelhouse call lock`.",
            )
        image = image.with_mounted_directory(TEST_PACKAGES, packages)
    image = (
        image.with_mounted_directory("/programs", program_files("live.py"))
        .with_env_variable("PYTHONPATH", f"{LIVE}:{APP}:{TEST_PACKAGES}")
        .with_default_args(["python", "/programs/live.py", "run", LIVE, *command])
        # An edit that breaks the service must not end it.
        .without_docker_healthcheck()
    )
    return (image.with_exposed_port(debug_port) if debug_port else image).as_service(**without_engine())


async def send_source(project: Project, now: str) -> str:
    """Bring the source to the running service; return the names of the files that changed."""
    application = await sources.application(
        await project.builder_with_tools(), project.source, project.config
    )
    return await (
        project.builder.base()
        .with_mounted_cache(LIVE, _volume(project), owner=USER)
        .with_mounted_directory("/in", application)
        .with_mounted_directory("/programs", program_files("live.py"))
        .with_env_variable("WHEELHOUSE_NOW", now)
        .with_exec(["python3", "/programs/live.py", "send", "/in", LIVE])
        .stdout()
    )


def _volume(project: Project) -> dagger.CacheVolume:
    return dag.cache_volume(f"wheelhouse-live-{project.config.project.name}")


def _debugged(command: list[str], port: int) -> list[str]:
    """Return the command under debugpy where a port is given: `python -m x` or a script of the venv."""
    if not port:
        return command
    words = command[1:] if command[0].startswith("python") else ["-m", *command]
    return ["python", "-m", "debugpy", "--listen", f"0.0.0.0:{port}", *words]
