"""What each shared directory is made from: facts and texts that decide its bytes, and nothing else."""

import tomllib
from typing import Any, Final

from pipeline.cache import Material
from pipeline.config import Config, ServiceConfig
from pipeline.lock import Lock
from pipeline.variants import Variant

TOOLS: Final = Material(kind="tools", facts={}, texts=("builder.py", "programs/tools.txt"))
"""The pinned tools, installed."""
WHEELS: Final = ("builder.py", "wheels.py", "programs/*_wheels.py", "programs/debian_packages.py")
MODELS: Final = ("builder.py", "models.py", "packages.py", "programs/models/**/*", "programs/tree_times.py")
GROUND: Final = (
    "builder.py",
    "images.py",
    "packing.py",
    "rootfs.py",
    "wheels.py",
    "programs/*.py",
    "programs/tools.txt",
)


def wheels_material(lock: Lock, packages: tuple[str, ...]) -> Material:
    """Return what wheels are made from: the pins, and the -dev packages that some compile with."""
    return Material(kind="wheels", facts={"lock": lock.downloads, "packages": packages}, texts=WHEELS)


def model_material(service: ServiceConfig, name: str, models_lock: str, recipe: str) -> Material:
    """Return what a model is made from: what is declared of it and what is locked of it.

    Args:
        service: what declares it.
        name: of the model.
        models_lock: text of models.lock.
        recipe: the runtime format.

    """
    facts = {
        "declared": service.models[name].model_dump(mode="json"),
        "licences": service.licences,
        "locked": _locked(models_lock, name),
        "recipe": recipe,
    }
    return Material(kind="model", facts=facts, texts=MODELS)


def ground_material(config: Config, variant: Variant, lock: Lock) -> Material:
    """Return what the layers of an environment and of the root below it are made from."""
    declared = config.variant(variant)
    facts = {
        "lock": lock.text,
        "options": [
            declared.keep,
            declared.drop,
            declared.os_packages,
            declared.build_packages,
            config.service.shell,
        ],
        "script": config.service.command[0],
    }
    return Material(kind="layers", facts=facts, texts=GROUND)


def _locked(models_lock: str, name: str) -> Any:
    """Return the lock's entry of a model; the whole text where it is no TOML, which the lock check tells."""
    try:
        return tomllib.loads(models_lock).get("models", {}).get(name)
    except tomllib.TOMLDecodeError:
        return models_lock
