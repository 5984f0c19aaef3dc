"""The containers that work and never ship: the base image, the tools, our programs, the caches."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import dagger
from dagger import dag

PROGRAMS: Final = Path(__file__).parent / "programs"
"""Programs that run inside containers. They are mounted, never imported here."""
BYTECODE: Final = "**/__pycache__"
TOOLS: Final = "/opt/tools"
EPOCH: Final = 315532800
"""1980-01-01, the oldest time that a zip file can hold: time of every file that we make."""
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PIP: Final = ("python3", "-m", "pip", "--quiet", "--disable-pip-version-check")
PIP_INSTALL: Final = (*PIP, "install", "--root-user-action=ignore", "--no-deps", "--require-hashes")
PIP_CACHE: Final = "/root/.cache/pip"
SYSTEM_CERTIFICATES: Final = ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS")
"""What makes uv read the system's certificates; the second is its name before uv 0.11."""
APT_CACHE: Final = "/var/cache/apt/archives"
COMPILERS: Final = ("build-essential", "pkg-config")
NETRC: Final = "/run/secrets/netrc"
PACKAGES: Final = "/opt/packages"
INSTALL: Final = ("python3", "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBase:
    """A base image that was taken from elsewhere than its own registry."""

    image: dagger.Container
    reference: str
    """`NAME@sha256:…` as its own registry has it: what is built on it says this, wherever it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Where wheels, models and layers are made: one base image and the places to download from."""

    image: str
    """Reference of the Python image that is also the base of the runtime."""
    index_url: str = ""
    """Package index (PEP 503); "" for pip's own default."""
    extra_indexes: tuple[str, ...] = ()
    """Further indexes that the service names, e.g. for builds of torch; every file is checked by hash."""
    index_auth: dagger.Secret | None = None
    """A netrc file with the index's credentials."""
    fresh: str = ""
    """A word that no build had before: then nothing made or downloaded earlier is used; "" to use it."""
    platform: str = ""
    """`linux/arm64`, …; "" for the engine's own."""
    cuda_image: str = ""
    """Image of nvidia/cuda that CUDA libraries come from; "" for NVIDIA's wheels."""
    kept: KeptBase | None = None
    """The base image, where a cache had it; None: from its own registry."""
    toolbox: dagger.Directory | None = None
    """The installed tools, once they are made: later queries name them by id."""
    _shared: dict[object, dagger.Container] = field(default_factory=dict, init=False, compare=False)

    def empty(self) -> dagger.Container:
        """Return a container without files, of the wanted platform."""
        return dag.container(platform=dagger.Platform(self.platform)) if self.platform else dag.container()

    def shared(self, key: object, build: Callable[[], dagger.Container]) -> dagger.Container:
        """Return the container of a key, described by `build` the first time.

        The client asks the engine for the id of each argument of each chain. Chains that share their
        beginning share its arguments, and ask once: a third of all questions of a build (measured).
        """
        if key not in self._shared:
            self._shared[key] = build()
        return self._shared[key]

    def base(self) -> dagger.Container:
        """Return the base image as it is."""
        image = self.kept.image if self.kept else self.empty().from_(self.image)
        return image.with_env_variable("WHEELHOUSE_FRESH", self.fresh) if self.fresh else image

    async def reference(self) -> str:
        """Return the base image's reference with its digest, "" where the engine knows none."""
        return self.kept.reference if self.kept else await self.empty().from_(self.image).image_ref()

    def tools(self, *programs: str, packages: tuple[str, ...] = ()) -> dagger.Container:
        """Return the base with the pinned tools on PATH, Debian packages, and these programs at /programs.

        uv, pip, packaging and pyelftools come from programs/tools.txt by hash.
        """
        return self.shared(
            ("tools", packages, programs),
            lambda: (
                self.with_debian_packages(*packages) if packages else self._equipped()
            ).with_mounted_directory("/programs", program_files(*programs)),
        )

    def _equipped(self) -> dagger.Container:
        return self.shared("equipped", lambda: self.with_tools(self.base()))

    def with_tools(self, container: dagger.Container) -> dagger.Container:
        """Return a container that descends from the base, with the pinned tools on PATH."""
        return (
            container.with_mounted_directory(TOOLS, self.toolbox or self.installed_tools())
            .with_env_variable("PATH", f"{TOOLS}/bin:{PATH}")
            .with_env_variable("PYTHONPATH", TOOLS)
            .with_env_variable("PYTHONHASHSEED", "0")
        )

    def installed_tools(self) -> dagger.Directory:
        """Return the tools of programs/tools.txt, installed by hash."""
        return (
            self.online_base()
            .with_mounted_file("/in/tools.txt", program_file("tools.txt"))
            .with_exec([*PIP_INSTALL, "--target", TOOLS, "--requirement", "/in/tools.txt"])
            .directory(TOOLS)
        )

    def with_debian_packages(self, *packages: str) -> dagger.Container:
        """Return the base with Debian packages installed, and the tools; downloads are on a cache volume."""
        if not packages:
            return self.base()
        keep = [] if self.fresh else ["--keep-downloads"]
        install = ["python3", "/programs/debian_packages.py", *keep, *packages]
        return self.shared(
            ("debian", packages),
            lambda: (
                self.shared("apt", self._apt)
                .with_exec(install)
                .without_mount("/programs")
                .without_mount(APT_CACHE)
            ),
        )

    def _apt(self) -> dagger.Container:
        cached = self.with_cache(
            self._equipped(), APT_CACHE, "wheelhouse-apt", dagger.CacheSharingMode.LOCKED
        )
        return cached.with_mounted_directory("/programs", program_files("debian_packages.py"))

    def compiler(self, packages: tuple[str, ...], *programs: str) -> dagger.Container:
        """Return the base with compilers, Python's headers, these -dev packages, tools and programs."""
        return self.tools(*programs, packages=("--python-headers", *COMPILERS, *packages))

    def online_base(self) -> dagger.Container:
        """Return the base, where it reaches the package index."""
        return self.shared("online", lambda: self.online(self.base()))

    def online(self, container: dagger.Container) -> dagger.Container:
        """Return a container that reaches the package index, with pip's cache on a cache volume.

        uv comes with certificates of its own; the system's also know the proxy of a company.
        """
        for name in SYSTEM_CERTIFICATES:
            container = container.with_env_variable(name, "1")
        return self.indexed(self.with_cache(container, PIP_CACHE, "wheelhouse-pip"))

    def with_cache(
        self,
        container: dagger.Container,
        at: str,
        volume: str,
        sharing: dagger.CacheSharingMode = dagger.CacheSharingMode.SHARED,
    ) -> dagger.Container:
        """Return a container with a cache volume, unless everything is to be downloaded again."""
        if self.fresh:
            return container
        return container.with_mounted_cache(at, dag.cache_volume(volume), sharing=sharing)

    def indexed(self, container: dagger.Container) -> dagger.Container:
        """Return a container that knows the package index and, as a secret, its credentials."""
        if self.index_url:
            container = container.with_env_variable("PIP_INDEX_URL", self.index_url)
        if self.extra_indexes:
            container = container.with_env_variable("PIP_EXTRA_INDEX_URL", " ".join(self.extra_indexes))
        if self.index_auth:
            container = container.with_mounted_secret(NETRC, self.index_auth)
            container = container.with_env_variable("NETRC", NETRC)
        return container


@cache  # a lazy query, not a result: valid in every session
def programs() -> dagger.Directory:
    """Return the programs of this module, as a part of its own source."""
    return dag.current_module().source().directory(f"{PROGRAMS.parent.name}/{PROGRAMS.name}")


@cache
def program_file(name: str) -> dagger.File:
    """Return one file of programs/."""
    return programs().file(name)


@cache
def program_files(*names: str) -> dagger.Directory:
    """Return these files of programs/ in one directory; a folder's name stands for all its files."""
    return programs().filter(include=list(names), exclude=[BYTECODE])


def text_file(name: str, contents: str) -> dagger.File:
    """Return a file whose identity is its contents, so that work done with it is cached by them."""
    return dag.directory().with_new_file(name, contents).file(name)


def with_packages(builder: Builder, requirements: str, *programs: str) -> dagger.Container:
    """Return the base with the packages of one requirement file and these programs importable.

    Args:
        builder: the base image and the index.
        requirements: path of the hash-pinned file below programs/.
        programs: files or folders of programs/, mounted at /programs.

    """
    return builder.shared(
        (requirements, programs),
        lambda: with_programs(_with_installed(builder, requirements), *programs, more=f":{PACKAGES}"),
    )


def _with_installed(builder: Builder, requirements: str) -> dagger.Container:
    """Return the base with the packages of one requirement file."""

    def build() -> dagger.Container:
        installed = (
            builder.online_base()
            .with_mounted_file("/in/requirements.txt", program_file(requirements))
            .with_exec([*INSTALL, "--target", PACKAGES, "--requirement", "/in/requirements.txt"])
            .directory(PACKAGES)
        )
        return builder.base().with_mounted_directory(PACKAGES, installed)

    return builder.shared(requirements, build)


def with_programs(container: dagger.Container, *programs: str, more: str = "") -> dagger.Container:
    """Return a container in which `python3 -m PROGRAM` finds these programs and the shared readers."""
    return (
        container.with_mounted_directory("/programs", program_files(*programs, "lib"))
        .with_env_variable("PYTHONPATH", f"/programs{more}")
        .with_env_variable("PYTHONDONTWRITEBYTECODE", "1")
    )
