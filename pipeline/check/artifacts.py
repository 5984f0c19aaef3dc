"""Make the archive of an image and one page about it: what `make build` leaves in out/."""

import time
from collections.abc import Awaitable
from textwrap import fill
from typing import TypeVar

import dagger
from dagger import dag

from pipeline.build.archives import archive
from pipeline.build.project import Project
from pipeline.build.stages import build_image, built_models, image_wheels, locked
from pipeline.check.layers import layer_table
from pipeline.variants import Base, Variant

T = TypeVar("T")
WIDTH = 110
"""Columns of the page."""


async def image_artifacts(project: Project, variant: Variant, base: Base) -> dagger.Directory:
    """Return `<variant>.tar` (OCI archive) and `<variant>.txt` (layers, wheels, models, seconds)."""
    seconds: dict[str, float] = {}
    wheels = await _timed(seconds, "wheels", _wheels(project, variant))
    models = await _timed(seconds, "models", _models(project, variant))
    image = await _timed(seconds, "image", _image(project, variant, base))
    written = await _timed(seconds, "archive", archive(image))
    table = await _timed(seconds, "layers", layer_table(project.builder, image))
    page = [
        table.rstrip(),
        "",
        _wrapped("wheels   ", f"{len(wheels)}: {', '.join(_distribution(wheel) for wheel in wheels)}"),
        f"models   {', '.join(models) or 'none'}",
        "seconds  " + ", ".join(f"{stage} {spent:.1f}" for stage, spent in seconds.items()),
    ]
    return (
        dag.directory()
        .with_file(f"{variant.value}.tar", written)
        .with_new_file(f"{variant.value}.txt", "\n".join(page) + "\n")
    )


async def _wheels(project: Project, variant: Variant) -> list[str]:
    return await (await image_wheels(project, variant, await locked(project, variant))).glob("*.whl")


async def _models(project: Project, variant: Variant) -> list[str]:
    models = await built_models(project, variant)
    return [f"{name} ({await _size_mb(model.files):.1f} MB)" for name, model in models.items()]


async def _image(project: Project, variant: Variant, base: Base) -> dagger.Container:
    return await (await build_image(project, variant, base)).container.sync()


async def _size_mb(model: dagger.Directory) -> float:
    """Return the size of a model's graph in MB (10^6 bytes)."""
    names = [name for name in await model.entries() if name.startswith("model.")]
    return sum([await model.file(name).size() for name in names]) / 1e6


async def _timed(seconds: dict[str, float], stage: str, work: Awaitable[T]) -> T:
    started = time.monotonic()
    result = await work
    seconds[stage] = time.monotonic() - started
    return result


def _wrapped(head: str, text: str) -> str:
    """Return a line of the page, wrapped below its head."""
    indent = " " * len(head)
    return fill(text, WIDTH, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)


def _distribution(wheel: str) -> str:
    """Return `numpy 2.5.5` of a wheel's file name."""
    return " ".join(wheel.split("-")[:2])
