"""Constructor arguments of the main object, declared once; its groups of functions inherit them."""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Final

import dagger
from dagger import DefaultPath, Doc, Ignore, dag

from pipeline.arguments import RegistryService
from pipeline.build.cache import RemoteCacheOptions
from pipeline.build.models import Hub
from pipeline.build.project import Project
from pipeline.build.stages import BuiltImage, build_image
from pipeline.check.advisories import Feed
from pipeline.check.reproduce import MODULE, SERVICE, Place
from pipeline.check.scan import Advisories
from pipeline.containers import Builder
from pipeline.registry import Registry
from pipeline.scan_config import Scanner
from pipeline.variants import Base, Variant

DEFAULT_IMAGE: Final = "python:3.13-slim"
"""Base image of what works before a service says its Python."""
PYPROJECT: Final = "app/pyproject.toml"
"""Of the service that the module has by default, in the module's own source."""


@dataclass(kw_only=True)
class Settings:
    """What a caller sets before any function."""

    source: Annotated[
        dagger.Directory,
        DefaultPath("/app"),
        # Of the repository only the list of what it tracks is uploaded.
        Ignore([".git/*", "!.git/index", ".venv", "**/__pycache__", "**/.env", "**/.pytest_cache", "out"]),
        Doc("The service: pyproject.toml with [tool.wheelhouse], requirements/, models.lock, code"),
    ]
    python_image: Annotated[str, Doc("Base image; empty: python:X.Y-slim of the service's Python")] = ""
    cuda_base: Annotated[str, Doc("nvidia/cuda:…-base-…: CUDA libraries from it, none of wheels")] = ""
    index_url: Annotated[str, Doc("Package index; empty: the installer's default")] = ""
    index_auth: Annotated[dagger.Secret | None, Doc("netrc file with credentials of the index")] = None
    hf_endpoint: Annotated[str, Doc("Base URL of a model hub; empty: the public one")] = ""
    hf_token: Annotated[dagger.Secret | None, Doc("Access token of the model hub")] = None
    weights: Annotated[dagger.Directory | None, Doc("Files of models, for sites without a hub")] = None
    models_server: Annotated[
        dagger.Service | None,
        Doc("A hub or registry that only this machine reaches: tcp://HOST:PORT; loopback addresses mean it"),
    ] = None
    advisories_url: Annotated[str, Doc("Mirror of OSV's bucket, fetched once a day")] = ""
    advisories_server: Annotated[dagger.Service | None, Doc("A mirror only this machine reaches")] = None
    cache: Annotated[str, Doc("REGISTRY/REPOSITORY of what other machines made: wheels, models, …")] = ""
    cache_key: Annotated[dagger.Secret | None, Doc("PEM, ECDSA P-256: signs what is written there")] = None
    cache_public_key: Annotated[dagger.File | None, Doc("Whose signature counts, to read only")] = None
    cache_username: Annotated[str, Doc("User at the cache's registry")] = ""
    cache_password: Annotated[dagger.Secret | None, Doc("env://NAME, file://PATH, cmd://PROGRAM")] = None
    cache_registry: RegistryService = None

    def _copied(self) -> dict[str, Any]:
        """Return what a caller set, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _builder(self, image: str) -> Builder:
        """Return the builder of a caller, on an image."""
        return Builder(
            image=image, cuda_image=self.cuda_base, index_url=self.index_url, index_auth=self.index_auth
        )

    async def _project(self) -> Project:
        """Return the service of a caller, and what builds it.

        Raises:
            ConfigError: no pyproject.toml, or it is wrong.

        """
        hub = Hub(
            endpoint=self.hf_endpoint, token=self.hf_token, weights=self.weights, server=self.models_server
        )
        return await Project.of(self.source, self._builder(self.python_image), hub, self._remote_cache())

    async def _image(self, variant: Variant, base: Base) -> BuiltImage:
        """Build the image of a variant."""
        return await build_image(await self._project(), variant, base)

    def _remote_cache(self) -> RemoteCacheOptions | None:
        if not self.cache:
            return None
        registry = Registry(
            address=self.cache,
            username=self.cache_username,
            password=self.cache_password,
            service=self.cache_registry,
        )
        return RemoteCacheOptions(
            registry=registry, private_key=self.cache_key, public_key=self.cache_public_key
        )

    def _advisories(
        self,
        directory: dagger.Directory | None,
        file: dagger.File | None,
        scanner: Scanner,
        *,
        offline: bool,
    ) -> Advisories:
        """Return the advisories that a caller's scan uses."""
        feed = Feed(url=self.advisories_url, server=self.advisories_server)
        return Advisories(directory=directory, file=file, feed=feed, scanner=scanner, offline=offline)

    async def _place(self, module: str, address: str) -> Place:
        """Return where the printed lines of a call are run: its module, its service, its settings.

        A module learns neither how it was addressed nor which path --source had. A call for the service in
        the module's own repository needs neither; any other names both, or the line says what is missing.
        """
        own = await _is_modules_own(self.source)
        settings = {"source": address or ("" if own else SERVICE)}
        for name, value in self._copied().items():
            # A cache gives what would be built anyway.
            if name != "source" and not name.startswith("cache"):
                settings[name.replace("_", "-")] = await _shown(name, value)
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
