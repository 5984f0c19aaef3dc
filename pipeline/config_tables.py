"""Tables of a service's pyproject.toml: `[project]` and `[tool.wheelhouse]`, key by key."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

from pipeline.scan_config import Ignored, ScanConfig
from pipeline.verify_config import ROWS, ProbeConfig, VerifyConfig


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("a path inside the source folder")
    return path


def _distinct(words: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [word for number, word in enumerate(words) if word in words[:number]]:
        raise ValueError(f"each item once ({twice[0]!r} is there twice)")
    return words


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Licence = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]*( WITH [A-Za-z0-9][A-Za-z0-9.+_-]*)?$")
]
Licences = Annotated[tuple[Licence, ...], AfterValidator(_distinct)]
Names = Annotated[tuple[Name, ...], AfterValidator(_distinct)]
DebianPackage = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
DebianPackages = Annotated[tuple[DebianPackage, ...], AfterValidator(_distinct)]
RelativePath = Annotated[str, StringConstraints(pattern=r"\S"), AfterValidator(_inside)]
RelativePaths = Annotated[tuple[RelativePath, ...], AfterValidator(_distinct)]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/")]
PythonVersion = Annotated[str, StringConstraints(pattern=r"^3\.[0-9]+$")]
Words = Annotated[tuple[Annotated[str, StringConstraints(pattern=r"\S")], ...], Field(min_length=1)]
Variables = dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str]
Export = Literal["onnx-int8", "onnx-fp16", "onnx-fp32", "hub", "files"]
Protocol = Literal["http", "grpc", "tcp", "none"]


class Declared(BaseModel):
    """Refuse unknown keys; never change after parsing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(Declared):
    """One model: where its files come from and the format it runs in."""

    source: str
    """`hf://owner/name@<40-hex commit>`, `wheel://name==version/path`, `https://…`, `oci://…@sha256:…` or `dir://path`."""
    mirrors: tuple[str, ...] = ()
    """Other places of the same bytes, tried in order; models.lock decides whether they are the same."""
    files: RelativePaths = ()
    """The files wanted; none: those that the loader of the source chooses."""
    export: Export = "onnx-int8"
    """Runtime format made in the builder; `hub` keeps the cache layout of the hub for torch users, `files`
    keeps the files as they are, in every variant."""
    licence: str | None = None
    """SPDX identifier where the source's model card does not tell."""


class AssetConfig(Declared):
    """Data that a library would download when the service runs."""

    command: Words
    """Program that writes the files to /assets/NAME, run in the builder with the image's packages."""
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Digest of the files; the first build fails and names it."""
    env: Variables = Field(default_factory=dict)
    """Environment of the command and of the image, e.g. the variable that names the folder to the library."""


class BuildConfig(Declared):
    """How one distribution is compiled: it is, also where the index has a wheel of it."""

    packages: DebianPackages = ()
    """Debian packages that it is compiled against; never in the image."""
    env: Variables = Field(default_factory=dict)
    """Environment of its build, e.g. CMAKE_ARGS."""
    config_settings: dict[str, str] = Field(default_factory=dict)
    """Settings of its build backend (PEP 517), as `pip wheel --config-settings` takes them."""


class VariantConfig(Declared):
    """One image variant of the service."""

    extras: Names = ()
    """Extras of the project that this image installs."""
    models: Names = ()
    """Names of `[tool.wheelhouse.models]` tables placed under /models."""
    export: Export | None = None
    """Runtime format of this variant's models where it differs from the model's own."""
    budget_mb: Annotated[int, Field(gt=0)] | None = None
    """Largest accepted uncompressed size of the image in MB (10^6 bytes)."""
    budget_compressed_mb: Annotated[int, Field(gt=0)] | None = None
    """Largest accepted sum of the zstd layers in MB (10^6 bytes)."""
    budget_unopened_mb: Annotated[int, Field(gt=0)] | None = None
    """Largest accepted size in MB of the files that nothing opens until the service is ready."""
    os_packages: DebianPackages = ()
    """Debian packages of the image, each with what it depends on: programs, data, settings."""
    build_packages: DebianPackages = ()
    """Debian packages for compiling source distributions, e.g. libpq-dev; never in the image."""
    keep: Names = ()
    """Names of prune rules that this variant switches off."""
    drop: Names = ()
    """Names of prune rules that apply even where a module needs the files that they drop."""
    env: Variables = Field(default_factory=dict)
    """Environment of this image on top of `[tool.wheelhouse.env]`."""


class ServiceConfig(Declared):
    """`[tool.wheelhouse]`: everything about the image that the code does not say itself."""

    python: PythonVersion = "3.13"
    """Python of the image, as X.Y."""
    command: Words
    """Program and arguments that the image starts, run from /srv/app."""
    packages: Annotated[RelativePaths, Field(min_length=1)]
    """Folders or files of the source that enter the image, each under /srv/app by its last name."""
    include: RelativePaths = ()
    """Patterns as in .dockerignore: files of `packages` that enter although something leaves them out."""
    writable: RelativePaths = ()
    """Folders or files below /srv/app that the service changes, e.g. the index of a vector store: a copy
    below /tmp takes their place."""
    tests: RelativePath | None = None
    """Folder of the service's own tests; run inside the image, never part of it."""
    test_timeout: Annotated[int, Field(gt=0, le=7200)] = 600
    """Seconds after which tests that hang are ended; their reports and logs are kept."""
    protocol: Protocol = "http"
    """Protocol of `port`; `none` for a worker, by itself where `command` starts celery, rq or the like."""
    port: Annotated[int, Field(gt=0, lt=65536)] | None = None
    """TCP port that the service listens on; 8000 unless `protocol` is `none`."""
    health: UrlPath | None = None
    """Path that answers 200 while the process lives; `/health` where `protocol` is `http`."""
    health_command: Words | None = None
    """Health check instead of a request to `port`: a program that ends with 0 while all is well."""
    ready: UrlPath | None = None
    """Path that answers 200 once requests can be served; none: `health`."""
    shell: bool = False
    """Whether the image has /bin/sh (dash), for a command or a library that starts programs through it."""
    env: Variables = Field(default_factory=dict)
    """Environment of every image."""
    variants: dict[Literal["api", "cpu", "gpu"], VariantConfig]
    """The images that can be built."""
    models: dict[Name, ModelConfig] = Field(default_factory=dict)
    """Models by name."""
    assets: dict[Name, AssetConfig] = Field(default_factory=dict)
    """Data that libraries download at first use, by name: baked into every image at /assets/NAME."""
    build: dict[Name, BuildConfig] = Field(default_factory=dict)
    """Distributions that are compiled from source, by name."""
    licences: Licences = ()
    """Licences of models and packages allowed beyond the usual open ones, as SPDX identifiers,
    `WITH` an exception where that matters."""
    probe: ProbeConfig | None = None
    """A request that `verify` asks of the confined service."""
    scan: ScanConfig = ScanConfig()
    """What fails a scan."""
    verify: VerifyConfig = VerifyConfig()
    """What `verify` and `test` accept."""

    @property
    def ready_path(self) -> str:
        """Return the path that says whether requests can be served; "" for a service without HTTP."""
        return self.ready or self.health or ""


class ProjectTable(BaseModel):
    """`[project]`: what the lock is checked against and the labels come from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Name
    version: str = "0"
    description: str = ""
    license: str | dict[str, str] = ""
    dependencies: tuple[str, ...] = ()
    optional_dependencies: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, alias="optional-dependencies"
    )
    urls: dict[str, str] = Field(default_factory=dict)
    scripts: dict[str, str] = Field(default_factory=dict)
    entry_points: dict[str, dict[str, str]] = Field(default_factory=dict, alias="entry-points")
    requires_python: str = Field(default="", alias="requires-python")


def legal_keys(path: list[str]) -> list[str]:
    """Return the keys that are legal in the table at a path below [tool.wheelhouse]."""
    table: type[BaseModel] = ServiceConfig
    if path[:1] == ["variants"]:
        table = VariantConfig
    elif path[:1] == ["models"]:
        table = ModelConfig
    elif path[:1] == ["scan"]:
        table = Ignored if "ignores" in path else ScanConfig
    elif path[:1] == ["build"]:
        table = BuildConfig
    elif path[:1] == ["assets"]:
        table = AssetConfig
    elif path[:1] == ["probe"]:
        table = ProbeConfig
    elif path[:1] == ["verify"]:
        table = ROWS.get(path[1] if path[1:] else "", VerifyConfig)
    return sorted(table.model_fields)
