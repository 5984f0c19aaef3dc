"""The image that most people write first: one stage, everything installed in place, nothing cleaned up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import dagger
from dagger import dag

from pipeline.build.image import MODELS
from pipeline.build.models import HUB_LAYOUT, Model, model_folder
from pipeline.build.project import Project
from pipeline.build.stages import locked
from pipeline.containers import program_file, text_file
from pipeline.errors import ConfigError
from pipeline.variants import VARIANTS, Variant

PLACE: Final = "/app"
COMPILERS: Final = ("build-essential", "cmake", "curl", "git", "libffi-dev", "libpq-dev", "libssl-dev")
"""What Dockerfiles of such services install. Source: the union of three published ones."""
APT: Final = "apt-get update && apt-get install -y {packages}"
DEBIAN_PIP: Final = ("PIP_BREAK_SYSTEM_PACKAGES", "PIP_IGNORE_INSTALLED")
"""Settings that let pip of a Debian Python do what pip of the official images does anyway."""
PIP: Final = "pip install -r requirements.txt"
TORCH: Final = ("sentence-transformers", "torch", "fastapi", "uvicorn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Naive:
    """A naive image to be."""

    base: str
    """Reference of the base image."""
    requirements: str
    """Text of requirements.txt."""
    packages: tuple[str, ...]
    """Debian packages."""
    models: Mapping[str, dagger.Directory]
    """Model directories by the folder below /models, in the format that the service reads."""
    command: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    torch: bool = False

    def image(self, project: Project, source: dagger.Directory, fresh: str = "") -> dagger.Container:
        """Return the image, one operation per line of its Dockerfile.

        Args:
            project: whose index and port are used.
            source: the service's folder, copied whole and last.
            fresh: a word that no build had before, so that no step comes from a cache; "" to use it.

        """
        image = dag.container().from_(self.base)
        if fresh:
            image = image.with_env_variable("WHEELHOUSE_FRESH", fresh)
        # Debian's own Python refuses to install next to or over its packages; the official images do not.
        for name in DEBIAN_PIP:
            image = image.with_env_variable(name, "1")
        image = image.with_exec(["sh", "-c", APT.format(packages=" ".join(self.packages))])
        image = image.with_workdir(PLACE)
        image = image.with_file("requirements.txt", text_file("requirements.txt", self.requirements))
        image = project.builder.indexed(image).with_exec(["sh", "-c", PIP])
        for name in (*DEBIAN_PIP, "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "NETRC", "WHEELHOUSE_FRESH"):
            image = image.without_env_variable(name)
        for name, model in self.models.items():
            image = image.with_directory(f"{MODELS}/{name}", model)
        image = image.with_directory(PLACE, source)
        if self.torch:
            image = image.with_file(f"{PLACE}/torch_service.py", program_file("torch_service.py"))
        for name, value in self.env.items():
            image = image.with_env_variable(name, value)
        port = project.config.service.port
        image = image.without_entrypoint().with_default_args(list(self.command))
        return image.with_exposed_port(port) if port else image

    @property
    def dockerfile(self) -> str:
        """Return the same as text, for people."""
        lines = [f"FROM {self.base}", f"RUN {APT.format(packages=' '.join(self.packages))}"]
        lines += [f"WORKDIR {PLACE}", "COPY requirements.txt .", f"RUN {PIP}"]
        lines += [f"COPY {name} {MODELS}/{name}" for name in self.models]
        lines += ["COPY . .", *(["COPY torch_service.py ."] if self.torch else [])]
        lines += [f"ENV {name}={value}" for name, value in self.env.items()]
        words = ", ".join(f'"{word}"' for word in self.command)
        return "\n".join([*lines, f"CMD [{words}]"]) + "\n"


async def naive(project: Project, variant: Variant, *, base: str, torch: bool) -> Naive:
    """Return the naive image of a service.

    Without torch it installs the same versions as ours, with everything that they declare as needed,
    and serves the model with 32-bit weights. With torch the service is sentence-transformers itself.

    Raises:
        ConfigError: torch is asked for, and the variant has no model from a hub.

    """
    service, declared = project.config.service, project.config.variant(variant)
    packages = (*COMPILERS, *declared.os_packages, *declared.build_packages)
    parents = sorted({f"{PLACE}/{path}".rpartition("/")[0] for path in service.packages})
    env = {**VARIANTS[variant].env, **service.env, **declared.env, "PYTHONPATH": ":".join(parents)}
    if torch or HUB_LAYOUT in project.config.exports(variant).values():
        env |= {"HF_HUB_CACHE": MODELS, "HF_HUB_OFFLINE": "1"}
    if torch:
        env |= {"MODEL": _hub_model(project, variant), "READY": service.ready_path}
        listen = ("--host", "0.0.0.0", "--port", str(service.port))  # noqa: S104 - a container's only interface
        command: tuple[str, ...] = ("uvicorn", "torch_service:app", *listen)
        lines: tuple[str, ...] = (*project.config.requirements(variant), *TORCH)
    else:
        command = service.command
        lines = tuple(pin.line.split(" --hash")[0] for pin in (await locked(project, variant)).pins)
    return Naive(
        base=base or project.builder.image,
        requirements="".join(f"{line}\n" for line in lines),
        packages=packages,
        models=await _models(project, variant, torch=torch),
        command=command,
        env=env,
        torch=torch,
    )


async def _models(project: Project, variant: Variant, *, torch: bool) -> dict[str, dagger.Directory]:
    """Return the models as they are published: 32-bit weights, or the hub's own cache layout."""
    if not project.config.variant(variant).models:
        return {}
    model_builder = project.model_builder(await project.files.text("models.lock") or "")
    placed: dict[str, dagger.Directory] = {}
    for name, export in project.config.exports(variant).items():
        recipe = export if export == "files" else HUB_LAYOUT if torch or export == HUB_LAYOUT else "onnx-fp32"
        tree = model_builder.model_directory(name, project.config.service.models[name], recipe)
        files = Model(tree=tree, folder=model_folder(name, recipe)).files
        if recipe == HUB_LAYOUT:
            placed |= {
                folder.rstrip("/"): files.directory(folder) for folder in await files.glob("models--*")
            }
        else:
            placed[name] = await files.sync()
    return placed


def _hub_model(project: Project, variant: Variant) -> str:
    """Return the repository of the variant's first model that comes from a hub."""
    for name in project.config.variant(variant).models:
        kind, _, rest = project.config.service.models[name].source.partition("://")
        if kind == "hf":
            return rest.partition("@")[0]
    raise ConfigError.of(
        f"variant {variant.value!r} has no model from a hub",
        expected="an hf:// source for --torch",
        do="Compare without --torch.",
    )
