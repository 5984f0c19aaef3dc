"""What the service declares about its image: `[tool.wheelhouse]` of its own pyproject.toml."""

import re
import tomllib
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pipeline.errors import ConfigError, near_miss
from pipeline.scan_config import Ignored, ScanConfig
from pipeline.variants import Variant
from pipeline.verify_config import ROWS, VerifyConfig

TABLE: Final = "tool.wheelhouse"


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("a path inside the source folder")
    return path


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Licence = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]*( WITH [A-Za-z0-9][A-Za-z0-9.+_-]*)?$")
]
RelativePath = Annotated[str, StringConstraints(min_length=1), AfterValidator(_inside)]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/")]
PythonVersion = Annotated[str, StringConstraints(pattern=r"^3\.[0-9]+$")]
Words = Annotated[tuple[str, ...], Field(min_length=1)]
Export = Literal["onnx-int8", "onnx-fp16", "onnx-fp32", "hub"]


class Declared(BaseModel):
    """Refuse unknown keys; never change after parsing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(Declared):
    """One model: where its files come from and the format it runs in."""

    source: str
    """`hf://owner/name@<40-hex commit>`, `wheel://name==version/path`, `https://…`, `oci://…@sha256:…` or `dir://path`."""
    mirrors: tuple[str, ...] = ()
    """Other places of the same bytes, tried in order; models.lock decides whether they are the same."""
    files: tuple[RelativePath, ...] = ()
    """The files wanted; none: those that the loader of the source chooses."""
    export: Export = "onnx-int8"
    """Runtime format made in the builder; `hub` keeps the cache layout of the hub for torch users."""
    licence: str | None = None
    """SPDX identifier where the source's model card does not tell."""


class VariantConfig(Declared):
    """One image variant of the service."""

    extras: tuple[Name, ...] = ()
    """Extras of the project that this image installs."""
    models: tuple[Name, ...] = ()
    """Names of `[tool.wheelhouse.models]` tables placed under /models."""
    export: Export | None = None
    """Runtime format of this variant's models where it differs from the model's own."""
    budget_mb: Annotated[int, Field(gt=0)] | None = None
    """Largest accepted uncompressed size of the image in MB (10^6 bytes)."""
    budget_compressed_mb: Annotated[int, Field(gt=0)] | None = None
    """Largest accepted sum of the zstd layers in MB (10^6 bytes)."""
    budget_unopened_mb: Annotated[int, Field(gt=0)] | None = None
    """Largest accepted size in MB of the files that nothing opens until the service is ready."""
    os_packages: tuple[Name, ...] = ()
    """Debian packages for the runtime beyond those that ELF files ask for."""
    build_packages: tuple[Name, ...] = ()
    """Debian packages for compiling source distributions, e.g. libpq-dev; never in the image."""
    keep: tuple[Name, ...] = ()
    """Names of prune rules that this variant switches off."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment of this image on top of `[tool.wheelhouse.env]`."""


class ServiceConfig(Declared):
    """`[tool.wheelhouse]`: everything about the image that the code does not say itself."""

    python: PythonVersion = "3.13"
    """Python of the image, as X.Y."""
    command: Words
    """Program and arguments that the image starts, run from /srv/app."""
    packages: Annotated[tuple[RelativePath, ...], Field(min_length=1)]
    """Folders or files of the source that enter the image, each under /srv/app by its last name."""
    tests: RelativePath | None = None
    """Folder of the service's own tests; run inside the image, never part of it."""
    test_timeout: Annotated[int, Field(gt=0, le=7200)] = 600
    """Seconds after which tests that hang are ended; their reports and logs are kept."""
    port: Annotated[int, Field(gt=0, lt=65536)] = 8000
    """TCP port that the service listens on."""
    health: UrlPath = "/health"
    """Path that answers 200 while the process lives."""
    ready: UrlPath | None = None
    """Path that answers 200 once requests can be served; none: `health`."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment of every image."""
    variants: dict[Literal["api", "cpu", "gpu"], VariantConfig]
    """The images that can be built."""
    models: dict[Name, ModelConfig] = Field(default_factory=dict)
    """Models by name."""
    licences: tuple[Licence, ...] = ()
    """Licences of models and packages allowed beyond the usual open ones, as SPDX identifiers,
    `WITH` an exception where that matters."""
    scan: ScanConfig = ScanConfig()
    """What fails a scan."""
    verify: VerifyConfig = VerifyConfig()
    """What `verify` and `test` accept."""


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


class Config(Declared):
    """One service: its project table and its `[tool.wheelhouse]` table, checked against each other."""

    project: ProjectTable
    service: ServiceConfig
    groups: frozenset[str] = frozenset()
    """Names of `[dependency-groups]`."""
    indexes: tuple[str, ...] = ()
    """URLs of `[[tool.uv.index]]`, e.g. the CPU index of torch: searched beside the main index."""

    @classmethod
    def parse(cls, pyproject: str) -> Self:
        """Return the checked configuration of a pyproject.toml text.

        Raises:
            ConfigError: not TOML, no such table, a wrong key or value, or an extra or
                model that nothing declares.

        """
        try:
            tables = tomllib.loads(pyproject)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError.of(
                f"pyproject.toml is not TOML: {error}", expected="a TOML file", do="Correct that line."
            ) from error
        service = tables.get("tool", {}).get("wheelhouse")
        if service is None:
            raise ConfigError.of(
                f"pyproject.toml has no [{TABLE}]",
                expected="a table with command, packages and variants",
                do="Copy the one of the reference service (app/pyproject.toml) and adapt it.",
            )
        try:
            groups = frozenset(tables.get("dependency-groups", {}))
            project = tables.get("project", {})
            indexes = [index.get("url") for index in tables.get("tool", {}).get("uv", {}).get("index", [])]
            parts = {"project": project, "service": service, "groups": groups, "indexes": indexes}
            config = cls.model_validate(parts)
        except ValidationError as error:
            raise ConfigError("\n".join(_explain(detail) for detail in error.errors())) from error
        _check_references(config)
        return config

    def variant(self, variant: Variant) -> VariantConfig:
        """Return what the service declares for a variant.

        Raises:
            ConfigError: the service does not declare this variant.

        """
        declared = self.service.variants
        if variant.value not in declared:
            raise ConfigError.of(
                f"[{TABLE}.variants.{variant.value}] is absent",
                expected=f"one of {', '.join(sorted(declared))}",
                do="Choose one of these with --variant, or declare the table.",
            )
        return declared[variant.value]

    def exports(self, variant: Variant) -> dict[str, Export]:
        """Return the runtime format of each model of a variant, by the model's name."""
        declared = self.variant(variant)
        return {name: declared.export or self.service.models[name].export for name in declared.models}

    def requirements(self, variant: Variant) -> tuple[str, ...]:
        """Return the requirement lines that the variant declares: dependencies and its extras."""
        extras = self.project.optional_dependencies
        chosen = (line for extra in self.variant(variant).extras for line in extras[extra])
        return (*self.project.dependencies, *chosen)


def _check_references(config: Config) -> None:
    for name, variant in config.service.variants.items():
        _known(f"variants.{name}.extras", variant.extras, config.project.optional_dependencies)
        _known(f"variants.{name}.models", variant.models, config.service.models)


def _known(key: str, words: tuple[str, ...], known: dict[str, Any]) -> None:
    for word in words:
        if word not in known:
            raise ConfigError.of(
                f"[{TABLE}] {key} names {word!r}{near_miss(word, known)}",
                expected=f"one of {', '.join(sorted(known)) or '(none is declared)'}",
                do=f"Correct {key} in pyproject.toml.",
            )


def _explain(detail: Any) -> str:
    """Return one line about one pydantic finding: key, found, legal, near miss, do."""
    scope, *rest = [str(part) for part in detail["loc"]]
    table = "project" if scope == "project" else TABLE
    key = ".".join(part for part in rest if part != "[key]")
    if detail["type"] == "extra_forbidden":
        legal = _legal_keys(rest[:-1])
        return (
            f"[{table}] unknown key {key!r}{near_miss(rest[-1], legal)}; "
            f"expected one of {', '.join(legal)}. Correct it in pyproject.toml."
        )
    if detail["type"] == "missing":
        return f"[{table}] has no key {key!r}; expected it to be set. Add it to pyproject.toml."
    choices = re.findall(r"'([^']+)'", str(detail.get("ctx", {}).get("expected", "")))
    found = f"{key} = {detail['input']!r}{near_miss(str(detail['input']), choices)}"
    return f"[{table}] {found}; expected {_expected(detail)}. Correct it in pyproject.toml."


def _expected(detail: Any) -> str:
    if detail["type"] == "string_pattern_mismatch":
        return f"text that matches {detail['ctx']['pattern']}"
    if detail["type"] == "literal_error":
        return f"one of {detail['ctx']['expected']}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _legal_keys(path: list[str]) -> list[str]:
    """Return the keys that are legal in the table at a path below [tool.wheelhouse]."""
    table: type[BaseModel] = ServiceConfig
    if path[:1] == ["variants"]:
        table = VariantConfig
    elif path[:1] == ["models"]:
        table = ModelConfig
    elif path[:1] == ["scan"]:
        table = Ignored if "ignores" in path else ScanConfig
    elif path[:1] == ["verify"]:
        table = ROWS.get(path[1] if path[1:] else "", VerifyConfig)
    return sorted(table.model_fields)
