"""What a caller sets on the main object, for every function and every check of it."""

from typing import Any, Final, Protocol

import dagger
from dagger import dag

from pipeline.build.assembly import Assembly
from pipeline.build.cache import Shared
from pipeline.build.models import Hub
from pipeline.check.advisories import Feed
from pipeline.check.reproduce import MODULE, SERVICE, Place
from pipeline.check.scan import Advisories
from pipeline.containers import Builder
from pipeline.registry import Registry
from pipeline.scan_config import Scanner


class Settings(Protocol):
    """The main object, or another one that was given the same; main.py says what each field is."""

    source: dagger.Directory
    python_image: str
    cuda_base: str
    index_url: str
    index_auth: dagger.Secret | None
    hf_endpoint: str
    hf_token: dagger.Secret | None
    weights: dagger.Directory | None
    models_server: dagger.Service | None
    advisories_url: str
    advisories_server: dagger.Service | None
    cache: str
    cache_key: dagger.Secret | None
    cache_public_key: dagger.File | None
    cache_username: str
    cache_password: dagger.Secret | None
    cache_registry: dagger.Service | None


DEFAULT_IMAGE: Final = "python:3.13-slim"
"""Base image of what works before a service says its Python."""
NAMES: Final = tuple(Settings.__annotations__)
DECISIVE: Final = tuple(name for name in NAMES if name != "source" and not name.startswith("cache"))
"""Settings that change what a call finds. A cache gives what would be built anyway."""
PYPROJECT: Final = "app/pyproject.toml"
"""Of the service that the module has by default, in the module's own source."""


def copied(given: Settings) -> dict[str, Any]:
    """Return what a caller set, by name."""
    return {name: getattr(given, name) for name in NAMES}


async def place_of(given: Settings, module: str, address: str) -> Place:
    """Return where the printed lines of a call are run: its module, its service, its settings.

    A module learns neither how it was addressed nor which path --source had. A call for the service in the
    module's own repository needs neither; any other names both, or the line says what is missing.
    """
    own = await _is_modules_own(given.source)
    settings = {"source": address or ("" if own else SERVICE)}
    for name in DECISIVE:
        settings[name.replace("_", "-")] = await _shown(name, getattr(given, name))
    return Place(module=module or ("" if own else MODULE), settings=settings)


async def _is_modules_own(source: dagger.Directory) -> bool:
    """Return whether a service is the one in the module's repository, which --source has by default."""
    own = await dag.current_module().source().glob(PYPROJECT)
    if not own:
        return False
    theirs = source.file("pyproject.toml")
    return await theirs.contents() == await dag.current_module().source().file(PYPROJECT).contents()


async def _shown(name: str, value: object) -> str:
    """Return a setting as a printed line has it: a secret by its address, else `<what it is>`."""
    if isinstance(value, dagger.Secret):
        value = await value.uri()
    if isinstance(value, str):
        return value
    return f"<the {name.replace('_', ' ')} of that call>" if value else ""


def builder_of(given: Settings, image: str) -> Builder:
    """Return what works for a caller, on an image."""
    return Builder(
        image=image, cuda_image=given.cuda_base, index_url=given.index_url, index_auth=given.index_auth
    )


async def assembly_of(given: Settings) -> Assembly:
    """Return the stages of a caller's service.

    Raises:
        ConfigError: no pyproject.toml, or it is wrong.

    """
    hub = Hub(
        endpoint=given.hf_endpoint, token=given.hf_token, weights=given.weights, server=given.models_server
    )
    return await Assembly.of(given.source, builder_of(given, given.python_image), hub, _shared(given))


def advisories_of(
    given: Settings,
    directory: dagger.Directory | None,
    file: dagger.File | None,
    scanner: Scanner,
    *,
    offline: bool,
) -> Advisories:
    """Return where a caller's scan has its knowledge from."""
    feed = Feed(url=given.advisories_url, server=given.advisories_server)
    return Advisories(directory=directory, file=file, feed=feed, scanner=scanner, offline=offline)


def _shared(given: Settings) -> Shared | None:
    if not given.cache:
        return None
    registry = Registry(
        address=given.cache,
        username=given.cache_username,
        password=given.cache_password,
        service=given.cache_registry,
    )
    return Shared(registry=registry, private_key=given.cache_key, public_key=given.cache_public_key)
