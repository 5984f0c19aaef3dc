"""Every step for every variant, concurrently. A step that fails stops nothing but itself."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import dagger

from pipeline.build.project import Project
from pipeline.build.stages import BuiltImage, build_image
from pipeline.check.compare import Comparison, comparison
from pipeline.check.layers import audit_layers
from pipeline.check.outcome import Outcome
from pipeline.check.scan import Advisories, scan_image
from pipeline.check.tests import test_image
from pipeline.check.verify import verify_image
from pipeline.tasks import gather
from pipeline.variants import Base, Variant

STEPS: Final = ("build", "test", "verify", "layers", "scan", "compare")
"""Functions of the command line, in the order of the report."""
NO_IMAGE: Final = "the image could not be built"


@dataclass(frozen=True, slots=True, kw_only=True)
class CiRun:
    """Arguments of one `ci`."""

    variants: Sequence[Variant]
    base: Base
    advisories: Advisories
    now: str
    """ISO 8601 time."""
    compared: Variant | None = None
    """The image that is also compared with a naive one; None: none."""

    @property
    def today(self) -> str:
        """Return the date: a scan of the same image is done once a day."""
        return self.now[:10]


async def run_steps(project: Project, run: CiRun) -> list[Outcome]:
    """Return the outcome of every step of every variant, in the order of the command line."""
    by_variant = await gather(*(_variant_steps(project, run, one) for one in dict.fromkeys(run.variants)))
    outcomes = [outcome for outcomes in by_variant for outcome in outcomes]
    if run.compared:
        # Alone: other steps would distort the times.
        built = {outcome.variant: outcome for outcome in outcomes if outcome.step == "build"}
        outcomes.append(await _compared(project, run, built[run.compared]))
    return sorted(outcomes, key=lambda one: (run.variants.index(one.variant), STEPS.index(one.step)))


async def _variant_steps(project: Project, run: CiRun, variant: Variant) -> list[Outcome]:
    images: list[BuiltImage] = []

    async def build() -> Outcome:
        image = await build_image(project, variant, run.base)
        await image.container.sync()
        images.append(image)
        return Outcome(step="build", variant=variant)

    built = await _timed("build", variant, build)
    if not images:
        steps = ("test", "verify", "layers", "scan")
        return [built, *(Outcome(step=step, variant=variant, skipped=NO_IMAGE) for step in steps)]
    image = images[0]
    outcomes = await gather(
        _timed("test", variant, lambda: test_image(image)),
        _timed("verify", variant, lambda: verify_image(image)),
        _timed("layers", variant, lambda: audit_layers(image)),
        _timed("scan", variant, lambda: scan_image(image, run.advisories, run.today)),
    )
    return [built, *outcomes]


async def _compared(project: Project, run: CiRun, built: Outcome) -> Outcome:
    if built.error:
        return Outcome(step="compare", variant=built.variant, skipped=NO_IMAGE)

    async def compare() -> Outcome:
        wanted = Comparison(variant=built.variant, cold=False, now=run.now)
        return Outcome(step="compare", variant=built.variant, files=await comparison(project, wanted))

    return await _timed("compare", built.variant, compare)


async def _timed(step: str, variant: Variant, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Carry out one step and time it; an exception becomes its error."""
    started = time.monotonic()
    try:
        outcome = await work()
        if outcome.files:
            outcome = replace(outcome, files=await outcome.files.sync())
    except Exception as error:  # noqa: BLE001 - the report tells every failure
        outcome = Outcome(step=step, variant=variant, error="\n".join(_messages(error)))
    return replace(outcome, seconds=round(time.monotonic() - started, 3))


def _messages(error: BaseException) -> list[str]:
    """Return the messages of an error: of a process with its output, of a group those of its members."""
    if isinstance(error, BaseExceptionGroup):
        return [line for one in error.exceptions for line in _messages(one)]
    if isinstance(error, dagger.ExecError):
        said = (str(error), error.stdout.strip(), error.stderr.strip())
        return list(dict.fromkeys(filter(None, said)))
    return [str(error) or type(error).__name__]
