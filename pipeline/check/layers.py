"""Look into an image: what each layer holds, what it weighs, what is shipped for nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import dagger
from dagger import dag

from pipeline.build.archives import packed_archive, raw_archive
from pipeline.build.image import APP, MODELS, VENV
from pipeline.build.stages import BuiltImage
from pipeline.check.outcome import Outcome
from pipeline.config import Config
from pipeline.containers import Builder, program_files, text_file, with_programs
from pipeline.variants import Base, Variant

AUDIT: Final = ("python3", "-m", "layers.run", "--raw", "/in/raw.tar", "--zstd", "/in/zstd.tar")


@dataclass(frozen=True, slots=True)
class Archives:
    """The two OCI archives of one image that measuring needs."""

    raw: dagger.File
    """Uncompressed layers: what they hold."""
    packed: dagger.File
    """zstd layers: the bytes that travel."""

    @classmethod
    async def of(cls, image: dagger.Container) -> "Archives":
        """Return the archives of an image."""
        return cls(raw=await raw_archive(image), packed=await packed_archive(image))

    def mounted_in(self, container: dagger.Container, at: str) -> dagger.Container:
        """Return a container in which they are at AT/raw.tar and AT/zstd.tar."""
        return container.with_mounted_file(f"{at}/raw.tar", self.raw).with_mounted_file(
            f"{at}/zstd.tar", self.packed
        )


async def layer_table(builder: Builder, image: dagger.Container) -> str:
    """Return a table, one line per layer: raw and zstd size in MB (10^6 bytes), its largest folders."""
    container = builder.base().with_mounted_directory("/programs", program_files("layer_table.py", "lib"))
    return await (
        (await Archives.of(image))
        .mounted_in(container, "/in")
        .with_exec(["python3", "/programs/layer_table.py", "/in/raw.tar", "/in/zstd.tar"])
        .stdout()
    )


async def layer_audit(
    builder: Builder, image: dagger.Container, makers: Mapping[str, str] | None = None
) -> dagger.Directory:
    """Return layers.json, layers.txt and layers.svg: contents and waste of each layer, and a map.

    Wasted is what a later layer writes again or removes, and what is at two paths; each such file is
    named with the command that made it.

    Args:
        builder: whose base image runs the audit.
        image: what is audited.
        makers: folder -> what makes the layers that hold nothing else ("/": all others), said instead
            of the history, which knows only that a directory was copied.

    """
    names = text_file("makers.json", json.dumps(dict(makers or {}), sort_keys=True))
    programs = with_programs(builder.base(), "layers", "layer_table.py")
    return await (
        (await Archives.of(image))
        .mounted_in(programs.with_directory("/out", dag.directory()), "/in")
        .with_mounted_file("/in/makers.json", names)
        .with_exec([*AUDIT, "--makers", "/in/makers.json", "--out", "/out"])
        .directory("/out")
        .sync()
    )


async def audit_layers(image: BuiltImage) -> Outcome:
    """Audit the layers of an image: layers.json, layers.txt and layers.svg."""
    makers = layer_makers(image.project.config, image.variant, image.base)
    files = await layer_audit(image.project.builder, image.container, makers)
    return Outcome(step="layers", variant=image.variant, files=files)


def layer_makers(config: Config, variant: Variant, base: Base) -> dict[str, str]:
    """Return what makes the layers of a runtime image, by the folder that they hold."""
    models = {f"{MODELS}/{name}": f"models.export: {name}" for name in config.variant(variant).models}
    bottom = {"/": "assemble_rootfs.py"} if base is Base.SMALL else {}
    return {VENV: "install_wheels.py", APP: f"place_app.py: {config.project.name}", **models, **bottom}
