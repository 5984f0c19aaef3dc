"""Build the naive image of a service as well, and measure both in one run, by the same means."""

import json
import time
from dataclasses import dataclass, replace
from typing import Any, Final

import dagger
from dagger import dag

from pipeline.build.archives import packed_archive
from pipeline.build.project import Project
from pipeline.build.stages import build_image
from pipeline.check.layers import layer_makers
from pipeline.check.naive import Naive, naive
from pipeline.check.sbom import CYCLONEDX, sbom_input, software_lists
from pipeline.check.scan import Advisories, Question, findings
from pipeline.containers import program_files, text_file, with_packages
from pipeline.errors import ConfigError
from pipeline.variants import Base, Variant

CONTROL: Final = 9010
"""Port that the start-up measurement answers on; only its own network sees it."""
RUNS: Final = 5
"""Starts of each image; the median counts."""
ASK: Final = (
    "import urllib.request as u;print(u.urlopen('http://image:{port}/',timeout=900).read().decode(),end='')"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is compared, and how."""

    variant: Variant
    naive_base: str = ""
    """Base of the naive image; "" for the one that ours is made from."""
    torch: bool = False
    """Whether the naive image is the torch and sentence-transformers service."""
    cold: bool = True
    """Whether both are built from nothing, to time that."""
    advisories: Advisories | None = None
    """What is known of vulnerabilities; None: nothing is scanned."""
    now: str
    """ISO 8601 time; makes cold builds and the edit new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two images, with what only building it shows."""

    image: dagger.Container
    edited: dagger.Container
    """The same after an edit of one module."""
    cold_s: float | None
    warm_s: float
    edit_s: float

    @property
    def seconds(self) -> dict[str, float | None]:
        """Return the build times."""
        return {"cold": self.cold_s, "warm": self.warm_s, "edit": self.edit_s}


async def comparison(project: Project, wanted: Comparison) -> dagger.Directory:
    """Return compare.json, compare.txt, compare.svg, Dockerfile.naive and the naive image's layers.

    Built one after the other, so that they do not compete. What is not measured is null, with a reason.

    Raises:
        ConfigError: the variant is not declared, the service does not speak HTTP, or torch is asked for
            without a model from a hub.
        dagger.ExecError: an image cannot be built.

    """
    if project.config.service.protocol != "http":
        raise ConfigError.of(
            f"protocol = {project.config.service.protocol!r}",
            expected="a service that says by HTTP when it is ready: starts are measured by that",
            do="Compare another service.",
        )
    await project.builder.base().sync()
    recipe = await naive(project, wanted.variant, base=wanted.naive_base, torch=wanted.torch)
    await dag.container().from_(recipe.base).sync()
    source = await _edited(project, wanted.now)
    theirs = await _naive_side(project, recipe, source, wanted)
    ours = await _own_side(project, source, wanted)
    facts = {
        "variant": wanted.variant.value,
        "base": recipe.base,
        "torch": wanted.torch,
        "now": wanted.now,
        "seconds": {"naive": theirs.seconds, "ours": ours.seconds},
        "starts": {
            "naive": await _starts(project, theirs.image, wanted),
            "ours": await _starts(project, ours.image, wanted),
        },
        "vulnerabilities": await _vulnerabilities(project, (theirs.image, ours.image), wanted),
        "makers": layer_makers(project.config, wanted.variant, Base.SMALL),
        "dockerfile": recipe.dockerfile,
    }
    return await _joined(project, facts, theirs, ours)


async def _naive_side(project: Project, recipe: Naive, source: dagger.Directory, wanted: Comparison) -> Side:
    fresh = wanted.now if wanted.cold else ""
    image, cold = await _timed(recipe.image(project, project.source, fresh))
    _, warm = await _timed(recipe.image(project, project.source, fresh))
    edited, edit = await _timed(recipe.image(project, source, fresh))
    return Side(image=image, edited=edited, cold_s=cold if fresh else None, warm_s=warm, edit_s=edit)


async def _own_side(project: Project, source: dagger.Directory, wanted: Comparison) -> Side:
    builder = replace(project.builder, fresh=wanted.now if wanted.cold else "")

    async def built(of: dagger.Directory) -> tuple[dagger.Container, float]:
        started = time.monotonic()
        built_again = await Project.of(of, builder, project.hub)
        image = (await build_image(built_again, wanted.variant, Base.SMALL)).container
        return await image.sync(), time.monotonic() - started

    image, cold = await built(project.source)
    _, warm = await built(project.source)
    edited, edit = await built(source)
    return Side(image=image, edited=edited, cold_s=cold if wanted.cold else None, warm_s=warm, edit_s=edit)


async def _timed(image: dagger.Container) -> tuple[dagger.Container, float]:
    started = time.monotonic()
    return await image.sync(), time.monotonic() - started


async def _edited(project: Project, now: str) -> dagger.Directory:
    """Return the source with one line added to the first module that is not empty."""
    package = project.config.service.packages[0]
    paths = [package] if package.endswith(".py") else sorted(await project.source.glob(f"{package}/**/*.py"))
    for path in paths:
        if text := await project.source.file(path).contents():
            return project.source.with_new_file(path, f"{text}\nEDITED = {now!r}\n")
    return project.source.with_new_file(f"{package}/edited.py", f"EDITED = {now!r}\n")


async def _starts(project: Project, image: dagger.Container, wanted: Comparison) -> dict[str, Any]:
    """Return what the starts of an image took, measured by its own interpreter."""
    service = project.config.service
    command = [*(await image.entrypoint()), *(await image.default_args())]
    measure = ["python", "/programs/start_times.py", "--control", str(CONTROL), "--runs", str(RUNS)]
    measure += ["--port", str(service.port), "--ready", service.ready_path]
    measure += ["--embed"] if project.config.variant(wanted.variant).models else []
    image = image.without_exposed_port(service.port) if service.port else image
    measured = (
        image.with_mounted_directory("/programs", program_files("start_times.py"))
        .with_mounted_temp("/tmp")  # noqa: S108 - the path inside the container
        .with_env_variable("WHEELHOUSE_NOW", wanted.now)
        # Dagger would wait for the health of a service that is stopped again and again.
        .without_docker_healthcheck()
        .with_exposed_port(CONTROL)
        .as_service(args=[*measure, "--", *command])
    )
    answer = await (
        project.builder.base()
        .with_service_binding("image", measured)
        .with_env_variable("WHEELHOUSE_NOW", wanted.now)
        .with_exec(["python3", "-c", ASK.format(port=CONTROL)])
        .stdout()
    )
    found: dict[str, Any] = json.loads(answer)
    return found


async def _vulnerabilities(
    project: Project, images: tuple[dagger.Container, dagger.Container], wanted: Comparison
) -> dict[str, Any]:
    """Return the number of findings of each image and in what, or why nothing was scanned."""
    if wanted.advisories is None:
        return {"reason": "not scanned: no advisories were given (--advisories)"}
    listed = await sbom_input(await build_image(project, wanted.variant, Base.SMALL))
    counted: dict[str, Any] = {"reason": ""}
    for name, image in zip(("naive", "ours"), images, strict=True):
        bill = (await software_lists(project.builder, replace(listed, image=image))).file(CYCLONEDX)
        config = project.config.service.scan
        found = await findings(project.builder, Question(bill=bill), wanted.advisories, config, wanted.now)
        report = json.loads(await found.file("findings.json").contents())
        parts = [part["part"] for part in report["coverage"] if part["status"] == "scanned"]
        if not parts:
            return {"reason": f"not scanned: {report['coverage'][0]['reason']}"}
        counted |= {
            name: len(report["findings"]),
            "reason": f"{' and '.join(parts)} packages, by these records",
        }
    return counted


async def _joined(project: Project, facts: dict[str, Any], theirs: Side, ours: Side) -> dagger.Directory:
    """Return everything that was found as table, JSON and pictures."""
    # Packed archives alone, read through zstandard: torch unpacked would be six more gigabytes.
    container = with_packages(
        project.builder, "compare/requirements.txt", "compare", "layers", "layer_table.py"
    )
    for name, side in (("naive", theirs), ("ours", ours)):
        for file, image in (("image.tar", side.image), ("edited.tar", side.edited)):
            container = container.with_mounted_file(f"/in/{name}/{file}", await packed_archive(image))
    return await (
        container.with_mounted_file("/in/facts.json", text_file("facts.json", json.dumps(facts)))
        .with_directory("/out", dag.directory())
        .with_exec(["python3", "-m", "compare.run", "--in", "/in", "--out", "/out"])
        .directory("/out")
        .sync()
    )
