"""Stage 4 of 8: models.lock in, one checked model directory per name out."""

import json
from dataclasses import dataclass
from typing import Final

import dagger
from dagger import dag

from pipeline.builder import Builder, text_file
from pipeline.config import Config, ModelConfig
from pipeline.packages import with_packages
from pipeline.variants import Variant

WEIGHTS_CACHE: Final = "/root/.cache/wheelhouse"
FETCH_PACKAGES: Final = "models/fetch-requirements.txt"
EXPORT_PACKAGES: Final = "models/export-requirements.txt"
HUB_LAYOUT: Final = "hub"
"""Recipe that keeps the files as the hub's own cache has them."""
PROVENANCE: Final = "provenance.json"
"""File of a model directory that says what it is, for the list of software."""
NEAR: Final = "models"
"""Name of a server that only the caller's machine reaches, where models are fetched."""
REPORT: Final = "report.json"
"""File of a model directory with its gate's numbers; not shipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """Where models are fetched from, beside what models.lock names."""

    endpoint: str = ""
    """Base URL of the hub or a mirror of it; "" for the public one."""
    token: dagger.Secret | None = None
    """Access token, seen only by the process that fetches."""
    weights: dagger.Directory | None = None
    """Files of models, asked before any source: NAME/path or path."""
    server: dagger.Service | None = None
    """A hub, registry or web server that only the caller's machine reaches; addresses on loopback mean it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kitchen:
    """What models are made with: the builder, the hub, the service's models.lock and source."""

    builder: Builder
    hub: Hub
    lock: str
    """Text of models.lock: what the fetched files are cached by."""
    source: dagger.Directory
    """The service's folder; read only for `dir://` sources."""
    licences: tuple[str, ...] = ()
    """SPDX identifiers that the service allows beyond the usual open ones."""

    async def require_fresh(self, pyproject: str) -> None:
        """Check that models.lock is what pyproject.toml declares.

        Raises:
            dagger.ExecError: it is not; stderr lists every difference.

        """
        lock = ["python3", "-m", "models.lock", "--check", "--pyproject", "/in/pyproject.toml"]
        await (
            with_packages(self.builder, FETCH_PACKAGES, "models")
            .with_mounted_file("/in/pyproject.toml", text_file("pyproject.toml", pyproject))
            .with_mounted_file("/in/models.lock", text_file("models.lock", self.lock))
            .with_exec([*lock, "--out", "/in/models.lock"])
            .sync()
        )

    def model_directory(self, name: str, model: ModelConfig, recipe: str) -> dagger.Directory:
        """Return one model in its runtime format, every file's sha256 and size checked."""
        export = ["python3", "-m", "models.export", "--model-dir", "/in", "--recipe", recipe]
        return (
            with_packages(self.builder, EXPORT_PACKAGES, "models")
            .with_mounted_directory("/in", self._fetched(name, model))
            .with_exec([*export, "--out", "/out"])
            .directory("/out")
        )

    def fresh_lock(self, pyproject: dagger.File, now: str) -> dagger.File:
        """Return models.lock made anew from what the project declares; every model is fetched."""
        lock = ["python3", "-m", "models.lock", "--pyproject", "/in/pyproject.toml"]
        return (
            self._fetcher()
            .with_mounted_directory("/service", self.source)
            .with_mounted_file("/in/pyproject.toml", pyproject)
            .with_env_variable("WHEELHOUSE_NOW", now)
            .with_exec([*lock, "--out", "/out/models.lock", "--service", "/service", *self._places()])
            .file("/out/models.lock")
        )

    def _fetched(self, name: str, model: ModelConfig) -> dagger.Directory:
        container = self._fetcher().with_mounted_file("/in/models.lock", text_file("models.lock", self.lock))
        fetch = ["python3", "-m", "models.fetch", "--lock", "/in/models.lock", "--model", name]
        if any(place.startswith("dir://") for place in (model.source, *model.mirrors)):
            container = container.with_mounted_directory("/service", self.source)
            fetch += ["--service", "/service"]
        return container.with_exec([*fetch, "--out", "/out", *self._places()]).directory("/out")

    def _places(self) -> list[str]:
        """Return the arguments that fetching and locking share."""
        allowed = [word for licence in self.licences for word in ("--allow-licence", licence)]
        weights = ["--weights", "/weights"] if self.hub.weights else []
        return ["--cache", WEIGHTS_CACHE, *weights, *allowed]

    def _fetcher(self) -> dagger.Container:
        """Return a container that reaches hub and index, with the files of earlier fetches."""
        container = self.builder.online(with_packages(self.builder, FETCH_PACKAGES, "models"))
        container = self.builder.with_cache(container, WEIGHTS_CACHE, "wheelhouse-weights")
        if self.hub.weights:
            container = container.with_mounted_directory("/weights", self.hub.weights)
        if self.hub.server:
            container = container.with_service_binding(NEAR, self.hub.server)
            container = container.with_env_variable("WHEELHOUSE_NEAR", NEAR)
        if self.hub.endpoint:
            container = container.with_env_variable("HF_ENDPOINT", self.hub.endpoint)
        return container.with_secret_variable("HF_TOKEN", self.hub.token) if self.hub.token else container


def model_directories(kitchen: Kitchen, config: Config, variant: Variant) -> dict[str, dagger.Directory]:
    """Return the models of a variant by name; empty for a variant without models."""
    return {
        name: kitchen.model_directory(name, config.service.models[name], recipe)
        for name, recipe in config.exports(variant).items()
    }


def shipped(name: str, model: dagger.Directory, config: Config, variant: Variant) -> dagger.Directory:
    """Return what of a model an image has below /models.

    The gate's numbers stay out: their last digits differ between processors. A model in the hub's
    layout keeps the hub's name for its folder, so that /models is the cache of all such models.
    """
    if config.exports(variant)[name] != HUB_LAYOUT:
        return dag.directory().with_directory(name, model.without_file(REPORT))
    folder = _hub_folder(config.service.models[name])
    placed = dag.directory().with_directory(folder, model.directory(folder))
    return placed.with_file(f"{folder}/{PROVENANCE}", model.file(PROVENANCE))


def _hub_folder(model: ModelConfig) -> str:
    """Return the folder that the hub's cache gives a model: that of its first `hf://` source."""
    places = (place for place in (model.source, *model.mirrors) if place.startswith("hf://"))
    repository = next(places, "hf://").removeprefix("hf://").partition("@")[0]
    return f"models--{repository.replace('/', '--')}"


def model_cache(models: dict[str, dagger.Directory]) -> dagger.Directory:
    """Return one directory that holds each model under its name."""
    cache = dag.directory()
    for name, model in models.items():
        cache = cache.with_directory(name, model)
    return cache


async def gate_table(models: dict[str, dagger.Directory]) -> str:
    """Return one line per model: its format, its size, and how close it is to the float32 reference."""
    reports = [(name, json.loads(await model.file(REPORT).contents())) for name, model in models.items()]
    return "".join(f"{name}: {_verdict(report)}\n" for name, report in reports)


def _verdict(report: dict[str, float | str]) -> str:
    if "gate" in report:
        return f"{report['recipe']}, gate: {report['gate']}"
    return (
        f"{report['recipe']} {float(report['size_bytes']) / 1e6:.2f} MB, gate over {report['texts']} texts: "
        f"cosine mean {report['cosine_mean']:.4f}, worst {report['cosine_worst']:.4f}, "
        f"nDCG@10 {report['ndcg']:.4f} of {report['ndcg_reference']:.4f}"
    )
