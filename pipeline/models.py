"""Stage 4 of 8: models.lock in, one checked model directory per name out."""

from dataclasses import dataclass
from typing import Final

import dagger
from dagger import dag

from pipeline.builder import PIP_INSTALL, Builder, program_file, program_files, text_file
from pipeline.config import Config, ModelConfig, VariantConfig

PACKAGES: Final = "/opt/packages"
WEIGHTS_CACHE: Final = "/root/.cache/wheelhouse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """Where `hf://` sources are fetched from."""

    endpoint: str = ""
    """Base URL of the hub or a mirror of it; "" for the public one."""
    token: dagger.Secret | None = None
    """Access token, seen only by the process that fetches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kitchen:
    """What models are made with: the builder, the hub, the service's models.lock and source."""

    builder: Builder
    hub: Hub
    lock: str
    """Text of models.lock: what the fetched files are cached by."""
    source: dagger.Directory
    """The service's folder; read only for `dir://` sources."""

    def model_directory(self, name: str, model: ModelConfig, recipe: str) -> dagger.Directory:
        """Return one model in its runtime format, every file's sha256 and size checked."""
        container = _with_packages(self.builder, "models/export-requirements.txt")
        export = ["python3", "-m", "models.export", "--model-dir", "/in", "--recipe", recipe]
        return (
            container.with_mounted_directory("/programs", program_files("models"))
            .with_mounted_directory("/in", self._fetched(name, model))
            .with_exec([*export, "--out", "/out"])
            .directory("/out")
        )

    def fresh_lock(self, pyproject: dagger.File, now: str) -> dagger.File:
        """Return models.lock made anew from what the project declares; every model is fetched."""
        lock = [
            "python3",
            "-m",
            "models.lock",
            "--pyproject",
            "/in/pyproject.toml",
            "--out",
            "/out/models.lock",
        ]
        return (
            self._fetcher()
            .with_mounted_directory("/service", self.source)
            .with_mounted_file("/in/pyproject.toml", pyproject)
            .with_env_variable("WHEELHOUSE_NOW", now)
            .with_exec([*lock, "--service", "/service", "--cache", WEIGHTS_CACHE])
            .file("/out/models.lock")
        )

    def _fetched(self, name: str, model: ModelConfig) -> dagger.Directory:
        container = self._fetcher().with_mounted_file("/in/models.lock", text_file("models.lock", self.lock))
        fetch = ["python3", "-m", "models.fetch", "--lock", "/in/models.lock", "--model", name]
        if any(place.startswith("dir://") for place in (model.source, *model.mirrors)):
            container = container.with_mounted_directory("/service", self.source)
            fetch += ["--service", "/service"]
        return container.with_exec([*fetch, "--out", "/out", "--cache", WEIGHTS_CACHE]).directory("/out")

    def _fetcher(self) -> dagger.Container:
        """Return a container that reaches hub and index, with the files of earlier fetches."""
        container = (
            self.builder.online(_with_packages(self.builder, "models/fetch-requirements.txt"))
            .with_mounted_directory("/programs", program_files("models"))
            .with_mounted_cache(WEIGHTS_CACHE, dag.cache_volume("wheelhouse-weights"))
        )
        if self.hub.endpoint:
            container = container.with_env_variable("HF_ENDPOINT", self.hub.endpoint)
        return container.with_secret_variable("HF_TOKEN", self.hub.token) if self.hub.token else container


def model_directories(
    kitchen: Kitchen, config: Config, variant: VariantConfig
) -> dict[str, dagger.Directory]:
    """Return the models of a variant by name; empty for a variant without models."""
    models = {name: config.service.models[name] for name in variant.models}
    return {
        name: kitchen.model_directory(name, model, variant.export or model.export)
        for name, model in models.items()
    }


def model_cache(models: dict[str, dagger.Directory]) -> dagger.Directory:
    """Return one directory that holds each model under its name."""
    cache = dag.directory()
    for name, model in models.items():
        cache = cache.with_directory(name, model)
    return cache


def _with_packages(builder: Builder, requirements: str) -> dagger.Container:
    """Return the base with the hash-pinned packages of one requirement file on PYTHONPATH."""
    installed = (
        builder.online(builder.base())
        .with_mounted_file("/in/requirements.txt", program_file(requirements))
        .with_exec([*PIP_INSTALL, "--target", PACKAGES, "--requirement", "/in/requirements.txt"])
        .directory(PACKAGES)
    )
    return (
        builder.base()
        .with_mounted_directory(PACKAGES, installed)
        .with_env_variable("PYTHONPATH", f"/programs:{PACKAGES}")
    )
