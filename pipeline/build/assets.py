"""Stage 4b of 8: data that libraries would download when the service runs, fetched in the builder."""

from typing import Final

import dagger

from pipeline.build.image import ENVIRONMENT, VENV
from pipeline.compat import without_engine
from pipeline.config import Config
from pipeline.containers import Builder

ASSETS: Final = "/assets"
PROGRAMS: Final = ("build_asset.py", "tree_times.py")


async def asset_layers(
    builder: Builder, venv: dagger.Directory, config: Config
) -> tuple[dagger.Directory, ...]:
    """Return the layer of each asset, rooted at "/".

    Each command runs with the image's own environment, where the network is, and writes to the folder that
    the image will have.

    Raises:
        dagger.ExecError: a command fails, or its files have another digest; stderr names it.

    """
    layers = []
    for name, asset in config.service.assets.items():
        container = (
            builder.online(builder.tools(*PROGRAMS))
            .with_mounted_directory(VENV, venv)
            .with_env_variable("PATH", ENVIRONMENT["PATH"])
            .without_env_variable("PYTHONPATH")
        )
        for key, value in {**config.service.env, **asset.env}.items():
            container = container.with_env_variable(key, value)
        place = ["python3", "/programs/build_asset.py", "--at", f"{ASSETS}/{name}", "--out", "/out"]
        command = [*place, "--sha256", asset.sha256, "--", *asset.command]
        layers.append(await container.with_exec(command, **without_engine()).directory("/out").sync())
    return tuple(layers)
