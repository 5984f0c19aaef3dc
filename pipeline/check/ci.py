"""Stage 6c of 8: every step for every variant at once; what fails stops nothing but itself."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import dagger

from pipeline.build.assembly import Assembly
from pipeline.check.compare import Comparison, comparison
from pipeline.check.layers import layer_audit, layer_makers
from pipeline.check.scan import Advisories, findings
from pipeline.check.tests import test_outcomes
from pipeline.check.verify import verification
from pipeline.publish.attestations import image_question
from pipeline.tasks import task_group
from pipeline.variants import Base, Variant

STEPS: Final = ("build", "test", "verify", "layers", "scan", "compare")
"""Functions of the command line, in the order of the report."""
NO_IMAGE: Final = "the image could not be made"
Work = Callable[[], Awaitable[dagger.Directory | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CiRun:
    """What is to be proven, and with what."""

    variants: Sequence[Variant]
    base: Base
    advisories: Advisories
    now: str
    """ISO 8601 time."""
    compared: Variant | None = None
    """The image that is also held against a naive one; None: none."""

    @property
    def today(self) -> str:
        """Return the date: a scan of the same image is done once a day."""
        return self.now[:10]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One function of the command line, carried out for one variant."""

    variant: Variant
    name: str
    files: dagger.Directory | None = None
    """What it left; None for nothing."""
    seconds: float = 0
    error: str = ""
    """Why it could not be carried out; failed tests and checks are no error, their reports tell."""
    skipped: str = ""


async def proven(assembly: Assembly, proof: CiRun) -> list[Step]:
    """Return every step of every variant, in the order of the command line."""
    found: dict[tuple[Variant, str], Step] = {}

    async def of(variant: Variant) -> None:
        works = _works(assembly, proof, variant)
        build = await _step(variant, "build", works.pop("build"))
        found[variant, "build"] = build
        async with task_group() as group:
            for name, work in works.items():
                group.start_soon(put, variant, name, work, _unbuilt(build))

    async def put(variant: Variant, name: str, work: Work, skipped: str) -> None:
        reason = Step(variant=variant, name=name, skipped=skipped)
        found[variant, name] = reason if skipped else await _step(variant, name, work)

    async with task_group() as group:
        for variant in dict.fromkeys(proof.variants):
            group.start_soon(of, variant)
    if one := proof.compared:
        # Alone: what it times would compete with the other steps.
        await put(one, "compare", partial(_compared, assembly, proof, one), _unbuilt(found[one, "build"]))
    return sorted(
        found.values(), key=lambda step: (proof.variants.index(step.variant), STEPS.index(step.name))
    )


def _works(assembly: Assembly, proof: CiRun, variant: Variant) -> dict[str, Work]:
    """Return the steps of a variant by the function that does the same."""
    base = proof.base

    async def build() -> None:
        await (await assembly.image(variant, base)).sync()

    async def test() -> dagger.Directory:
        return await test_outcomes(assembly.builder, await assembly.subject(variant, base))

    async def verify() -> dagger.Directory:
        return await verification(assembly, variant, base)

    async def layers() -> dagger.Directory:
        makers = layer_makers(assembly.config, variant, base)
        return await layer_audit(assembly.builder, await assembly.image(variant, base), makers)

    async def scan() -> dagger.Directory:
        question = await image_question(assembly, variant, base, None)
        config = assembly.config.service.scan
        return await findings(assembly.builder, question, proof.advisories, config, proof.today)

    return {"build": build, "test": test, "verify": verify, "layers": layers, "scan": scan}


async def _compared(assembly: Assembly, proof: CiRun, variant: Variant) -> dagger.Directory:
    return await comparison(assembly, Comparison(variant=variant, cold=False, now=proof.now))


def _unbuilt(build: Step) -> str:
    """Return why the steps after a build are skipped; "" where there is an image."""
    return NO_IMAGE if build.error else ""


async def _step(variant: Variant, name: str, work: Work) -> Step:
    """Carry out one step; whatever it raises is its outcome."""
    begun = time.monotonic()
    files, error = None, ""
    try:
        if files := await work():
            files = await files.sync()
    except Exception as found:  # noqa: BLE001 - the report tells every failure
        error = "\n".join(_told(found))
    return Step(
        variant=variant,
        name=name,
        files=None if error else files,
        seconds=round(time.monotonic() - begun, 3),
        error=error,
    )


def _told(error: BaseException) -> list[str]:
    """Return what an error says: of a process also its output, of a group all that it holds."""
    if isinstance(error, BaseExceptionGroup):
        return [line for one in error.exceptions for line in _told(one)]
    if isinstance(error, dagger.ExecError):
        said = (str(error), error.stdout.strip(), error.stderr.strip())
        return list(dict.fromkeys(filter(None, said)))
    return [str(error) or type(error).__name__]
