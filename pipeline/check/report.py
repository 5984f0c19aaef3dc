"""Stage 6d of 8: the outcome of every step in, one report and one gate out."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import dagger
from dagger import Doc, dag, field, function, object_type

from pipeline.check.ci import CiRun
from pipeline.check.outcome import Outcome
from pipeline.check.reproduce import REPORT, Place, reproduction
from pipeline.check.scan import RECORDS
from pipeline.config import Config
from pipeline.containers import Builder, with_packages
from pipeline.errors import ChecksFailedError, PipelineError
from pipeline.scan_config import Scanner
from pipeline.variants import Base, Variant

VERSION: Final = 1
"""Of facts.json and report.json; programs/report refuses another one."""
UNREAD: Final = "<the advisories that were given: they could not be read, and are not here>"


@object_type
class Report:
    """Everything that `ci` found out: files, a summary, a gate."""

    directory: Annotated[
        dagger.Directory,
        Doc("report.html, report.json, summary.md, timings.json; per variant JUnit, logs, findings"),
    ] = field()

    @function
    async def summary(self) -> str:
        """Show the outcome as Markdown, for the page of a CI job."""
        return await self.directory.file("summary.md").contents()

    @function
    async def gate(self) -> str:
        """Fail when anything did, listing all of it, each with the line that shows it again."""
        return require_good(json.loads(await self.directory.file("report.json").contents()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext:
    """What a report says beyond the outcome."""

    config: Config
    place: Place
    """Where the printed lines are run."""
    baseline: dagger.File | None = None
    """report.json of an earlier run."""


async def write_report(
    builder: Builder, outcomes: Sequence[Outcome], run: CiRun, context: ReportContext
) -> Report:
    """Return the report of these outcomes, written whatever they say.

    Raises:
        PipelineError: the place of the lines is named wrongly.
        dagger.QueryError: the base image, in which the page is written, cannot be had.

    """
    found = dag.directory()
    for outcome in outcomes:
        place = f"{outcome.variant.value}/{outcome.step}"
        if outcome.files:
            found = found.with_directory(place, outcome.files)
        elif outcome.error:
            found = found.with_new_file(f"{place}/error.log", f"{outcome.error}\n")
    scans = [
        (outcome.variant, outcome.files) for outcome in outcomes if outcome.step == "scan" and outcome.files
    ]
    carried = [variant for variant, files in scans if await files.glob(RECORDS)]
    facts = json.dumps(_facts(outcomes, run, context, carried), indent=1)
    read = found.with_new_file("facts.json", facts)
    if context.baseline:
        read = read.with_file("baseline.json", context.baseline)
    pages = (
        with_packages(builder, "report/requirements.txt", "report", "layers/squarify.py")
        .with_mounted_directory("/in", read)
        .with_exec(["python3", "-m", "report.run", "--in", "/in", "--out", "/out"])
        .directory("/out")
    )
    everything = await found.with_directory("/", pages).sync()
    # mypy does not see the constructor that the SDK's decorator makes.
    return Report(directory=everything)  # type: ignore[call-arg]


def require_good(report: Mapping[str, Any]) -> str:
    """Return one line about a report in which nothing failed.

    Raises:
        PipelineError: the report is of another version.
        ChecksFailedError: something failed, or nothing was found to be right.

    """
    if report.get("version") != VERSION:
        raise PipelineError.of(
            f"a report of version {report.get('version')!r}", expected=str(VERSION), do="Run `ci` again."
        )
    failures = report["failures"]
    if failures or report["status"] != "passed":
        raise ChecksFailedError.gathered(
            "ci", [_line(one) for one in failures] or ["nothing was found to be right"]
        )
    counts = [f"{_count(report, status)} {status}" for status in ("passed", "failed", "skipped", "unscanned")]
    return ", ".join(counts)


def _count(report: Mapping[str, Any], status: str) -> int:
    return sum(check["status"] == status for check in report["checks"])


def _line(failure: Mapping[str, Any]) -> str:
    message = str(failure["message"]).strip().partition("\n")[0]
    head = f"{failure['variant']} {failure['step']}: {failure['name']}: {message}"
    return f"{head}\n      {failure['dagger']}\n      {failure['wheelhouse']}"


def _facts(
    outcomes: Sequence[Outcome], run: CiRun, context: ReportContext, carried: Collection[Variant]
) -> dict[str, Any]:
    """Return what programs/report reads; carried are the images whose records are next to the findings."""
    return {
        "version": VERSION,
        "service": context.config.project.name,
        "module": context.place.module,
        "now": run.now,
        "budgets": {one.value: _budget(context.config, one.value) for one in run.variants},
        "steps": [
            _step_facts(outcome, context.place, _arguments(outcome, run, carried=outcome.variant in carried))
            for outcome in outcomes
        ],
    }


def _step_facts(outcome: Outcome, place: Place, arguments: Mapping[str, str]) -> dict[str, Any]:
    ours, twin = reproduction(place, outcome.step, arguments)
    return {
        "variant": outcome.variant.value,
        "name": outcome.step,
        "seconds": outcome.seconds,
        "error": outcome.error,
        "skipped": outcome.skipped,
        "dagger": ours,
        "wheelhouse": twin,
    }


def _arguments(outcome: Outcome, run: CiRun, *, carried: bool) -> dict[str, str]:
    """Return the flags with which a step does the same again; what is the default is "".

    Where the caller's records of advisories are is not known here. What a scan read of them is in the
    report, and the line takes it from there.
    """
    # `compare` knows one base only.
    whole = run.base is not Base.SMALL and outcome.step != "compare"
    arguments = {"variant": outcome.variant.value, "base": run.base.value if whole else ""}
    if outcome.step == "scan":
        known = run.advisories
        records = f"{REPORT}/{outcome.variant.value}/scan/{RECORDS}" if carried else UNREAD
        arguments["advisories-file"] = records if known.given or carried else ""
        arguments["scanner"] = known.scanner.value if known.scanner is not Scanner.GRYPE else ""
        arguments["offline"] = "true" if known.offline else ""
    return arguments


def _budget(config: Config, variant: str) -> dict[str, int | None]:
    declared = config.service.variants.get(variant)  # type: ignore[call-overload]  # keys are literals
    return {
        "raw_mb": declared.budget_mb if declared else None,
        "zstd_mb": declared.budget_compressed_mb if declared else None,
    }
