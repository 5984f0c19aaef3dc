"""Stage 4 of 8: models.lock in, one checked model directory per name out."""

import json
from dataclasses import dataclass
from typing import Final

import dagger
from dagger import dag

from pipeline.config import Config, ModelConfig
from pipeline.containers import Builder, with_packages
from pipeline.variants import Variant

WEIGHTS_CACHE: Final = "/root/.cache/wheelhouse"
FETCH_PACKAGES: Final = "models/fetch-requirements.txt"
EXPORT_PACKAGES: Final = "models/export-requirements.txt"
HUB_LAYOUT: Final = "hub"
"""Recipe that keeps the files as the hub's own cache has them."""
NEAR: Final = "models"
"""Name of a server that only the caller's machine reaches, where models are fetched."""
REPORT: Final = "report.json"
"""File with the numbers of a model's gate; not shipped, their last digits differ between processors."""
MODELS: Final = "models"
"""Folder of all models in an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """Where models are fetched from, besides what models.lock names."""

    endpoint: str = ""
    """Base URL of the hub or a mirror of it; "" for the public one."""
    token: dagger.Secret | None = None
    """Access token, seen only by the process that fetches."""
    weights: dagger.Directory | None = None
    """Files of models, asked before any source: NAME/path or path."""
    server: dagger.Service | None = None
    """A hub, registry or web server that only the caller's machine reaches; addresses on loopback mean it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One exported model."""

    tree: dagger.Directory
    """`layer/`, rooted at "/" as the image ships it, and report.json with the gate's numbers."""
    folder: str
    """Where the model's files are below `layer/`."""

    @property
    def layer(self) -> dagger.Directory:
        """The layer of the image that holds the model, every time fixed."""
        return self.tree.directory("layer")

    @property
    def files(self) -> dagger.Directory:
        """The files of the model."""
        return self.tree.directory(f"layer/{self.folder}")

    @property
    def report(self) -> dagger.File:
        """The numbers of the gate, as JSON."""
        return self.tree.file(REPORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBuilder:
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
            .with_new_file("/in/pyproject.toml", pyproject)
            .with_new_file("/in/models.lock", self.lock)
            .with_exec([*lock, "--out", "/in/models.lock"])
            .sync()
        )

    def model_directory(self, name: str, model: ModelConfig, recipe: str) -> dagger.Directory:
        """Return one model in its runtime format, every file's sha256 and size checked: Model.tree."""
        export = ["python3", "-m", "models.export", "--model-dir", "/in", "--recipe", recipe]
        export += ["--out", f"/out/layer/{model_folder(name, recipe)}", "--layer", "/out/layer"]
        return (
            with_packages(self.builder, EXPORT_PACKAGES, "models", "tree_times.py")
            .with_mounted_directory("/in", self._fetched(name, model))
            .with_exec([*export, "--report", f"/out/{REPORT}"])
            .directory("/out")
        )

    def fresh_lock(self, pyproject: dagger.File, now: str) -> dagger.File:
        """Return models.lock created again from what the project declares; every model is fetched."""
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
        container = self.builder.shared(
            ("fetch", self.lock),
            lambda: self._fetcher().with_new_file("/in/models.lock", self.lock),
        )
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


def model_directories(
    model_builder: ModelBuilder, config: Config, variant: Variant
) -> dict[str, dagger.Directory]:
    """Return the models of a variant by name; empty for a variant without models."""
    return {
        name: model_builder.model_directory(name, config.service.models[name], recipe)
        for name, recipe in config.exports(variant).items()
    }


def model_folder(name: str, recipe: str) -> str:
    """Return the folder of an image that gets the files of a model.

    Models in the hub's layout share /models, which is then the hub's cache of all of them.
    """
    return MODELS if recipe == HUB_LAYOUT else f"{MODELS}/{name}"


def model_cache(models: dict[str, Model]) -> dagger.Directory:
    """Return one directory that holds each model under its name, and the numbers of its gate."""
    cache = dag.directory()
    for name, model in models.items():
        cache = cache.with_directory(name, model.files).with_file(f"{name}/{REPORT}", model.report)
    return cache


async def gate_table(models: dict[str, Model]) -> str:
    """Return one line per model: its format, its size, and how close it is to the float32 reference."""
    reports = [(name, json.loads(await model.report.contents())) for name, model in models.items()]
    return "".join(f"{name}: {_verdict(report)}\n" for name, report in reports)


def _verdict(report: dict[str, float | str]) -> str:
    if "gate" in report:
        return f"{report['recipe']}, gate: {report['gate']}"
    return (
        f"{report['recipe']} {float(report['size_bytes']) / 1e6:.2f} MB, gate over {report['texts']} texts: "
        f"cosine mean {report['cosine_mean']:.4f}, worst {report['cosine_worst']:.4f}, "
        f"nDCG@10 {report['ndcg']:.4f} of {report['ndcg_reference']:.4f}"
    )
