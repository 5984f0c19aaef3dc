"""What each shared directory is made from: facts and texts that decide its bytes, and nothing else."""

import tomllib
from typing import Any, Final

from pipeline.build.cache import CacheKey
from pipeline.build.lock import Lock
from pipeline.build.wheels import Compilation
from pipeline.config import Config, ServiceConfig
from pipeline.variants import Variant

TOOLS: Final = CacheKey(kind="tools", facts={}, texts=("containers.py", "programs/tools.txt"))
"""The pinned tools, installed."""
WHEELS: Final = ("containers.py", "build/wheels.py", "programs/*_wheels.py", "programs/debian_packages.py")
MODELS: Final = ("containers.py", "build/models.py", "programs/models/**/*", "programs/tree_times.py")
LAYERS: Final = ("containers.py", "build/*.py", "programs/*.py", "programs/lib/*.py", "programs/tools.txt")
"""Everything that builds: an edit too many builds a layer again, an edit missed would ship a stale one."""


def wheels_key(lock: Lock, compilation: Compilation) -> CacheKey:
    """Return what wheels are made from: the pins, and what some are compiled with."""
    facts = {"lock": lock.downloads, "packages": compilation.packages, "builds": compilation.builds}
    return CacheKey(kind="wheels", facts=facts, texts=WHEELS)


def model_key(service: ServiceConfig, name: str, models_lock: str, recipe: str) -> CacheKey:
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
    return CacheKey(kind="model", facts=facts, texts=MODELS)


def layers_key(config: Config, variant: Variant, lock: Lock) -> CacheKey:
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
            {name: table.model_dump(mode="json") for name, table in config.service.build.items()},
        ],
        "script": config.service.command[0],
    }
    return CacheKey(kind="layers", facts=facts, texts=LAYERS)


def _locked(models_lock: str, name: str) -> Any:
    """Return the lock's entry of a model; the whole text where it is not TOML, which the lock check tells."""
    try:
        return tomllib.loads(models_lock).get("models", {}).get(name)
    except tomllib.TOMLDecodeError:
        return models_lock
