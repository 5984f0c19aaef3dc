"""Stage 7 of 8: a software list and advisories in, findings and the gate's reasons out."""

from dataclasses import dataclass, field
from typing import Final

import dagger
from dagger import dag

from pipeline.build.stages import BuiltImage
from pipeline.check.advisories import Feed
from pipeline.check.outcome import Outcome
from pipeline.check.sbom import CYCLONEDX, rootfs_sha256, sbom_input, software_lists
from pipeline.compat import without_engine
from pipeline.containers import Builder, text_file, with_packages, with_programs
from pipeline.errors import ChecksFailedError
from pipeline.scan_config import ScanConfig, Scanner

RUN: Final = ("python3", "-m", "scan.run", "--bill", "/in/bill.json", "--policy", "/in/policy.json")
REPORT: Final = "/out/report.json"
FAILURES: Final = "failures.txt"
RECORDS: Final = "advisories.json"
"""The records that a scan read: enough for `--advisories-file` of the same scan again."""
COMMANDS: Final = {
    Scanner.GRYPE: ("sbom:/in/bill.cdx.json", "--output", "json", "--file", REPORT),
    Scanner.OSV: (
        *("scan", "source", "--lockfile=/in/bill.cdx.json", "--all-packages"),
        *("--format=json", f"--output-file={REPORT}"),
    ),
}
"""Arguments of the images' own programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisories:
    """Where knowledge of vulnerabilities comes from."""

    directory: dagger.Directory | None = None
    """OSV records: JSON files, or zips of them."""
    file: dagger.File | None = None
    """The same as one zip or JSON file."""
    feed: Feed = field(default_factory=Feed)
    """Where records are fetched from when none are given."""
    scanner: Scanner = Scanner.GRYPE
    """Whose image judges the wheels when no records are given and the configuration pins it."""
    offline: bool = False
    """Whether no network may be used: then nothing is fetched and no package source is asked."""

    @property
    def given(self) -> bool:
        """Return whether there are records."""
        return bool(self.directory or self.file)

    @property
    def records(self) -> dagger.Directory | None:
        """Return all OSV records as one folder, whose names say what is a zip; None for none."""
        if self.file is None:
            return self.directory
        alone = dag.directory().with_files("/", [self.file])
        return alone.with_directory("/folder", self.directory) if self.directory else alone

    async def known(self, builder: Builder, day: str) -> tuple[dagger.Directory | None, str]:
        """Return the OSV records of a day, given or fetched; or None and the reason."""
        if records := self.records:
            return records, ""
        if self.offline:
            return None, "no advisories were passed, and --offline fetches none"
        try:
            return await self.feed.fetched(builder, day), ""
        except dagger.ExecError as error:
            said = error.stderr.strip().splitlines() or [str(error)]
            return None, f"the advisories cannot be fetched: {said[-1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is scanned, and what it is held against."""

    bill: dagger.File
    """CycloneDX list of the image."""
    lock: str = ""
    """Hash-pinned requirements that the list must name; "" where they are not known."""
    rootfs_sha256: str = ""
    """Digest of the image that the list must be of; "" for a list made from it just now."""
    location: str = "pyproject.toml"
    """File that code hosts show the findings at."""


async def scan_image(
    image: BuiltImage, advisories: Advisories, now: str, sbom: dagger.File | None = None
) -> Outcome:
    """Scan an image by its own SBOM, or by one that must prove to be of this image."""
    project = image.project
    listed = await sbom_input(image)
    question = Question(
        bill=sbom or (await software_lists(project.builder, listed)).file(CYCLONEDX),
        lock=listed.lock,
        rootfs_sha256=await rootfs_sha256(project.builder, listed.image) if sbom else "",
        location=f"requirements/{image.variant.value}.txt",
    )
    found = await findings(project.builder, question, advisories, project.config.service.scan, now)
    found = found.with_file(CYCLONEDX, question.bill)
    failures = (await found.file(FAILURES).contents()).splitlines()
    return Outcome(step="scan", variant=image.variant, files=await found.sync(), failures=tuple(failures))


async def findings(
    builder: Builder, question: Question, advisories: Advisories, config: ScanConfig, now: str
) -> dagger.Directory:
    """Return findings.json, findings.sarif, openvex.json, table.txt, failures.txt, RECORDS.

    Written whatever they say; `require_passed` is the gate. The scan runs without secrets and asks no
    network: records, and the reports of grype and apt, are files.

    Args:
        builder: the base image, which knows the image's package source.
        question: what is scanned.
        advisories: what is known.
        config: `[tool.wheelhouse.scan]`.
        now: ISO 8601 time; ages are counted from it, and a new one makes the scan run again.

    """
    container = (
        with_packages(builder, "scan/requirements.txt", "scan")
        .with_mounted_file("/in/bill.json", question.bill)
        .with_mounted_file("/in/policy.json", text_file("policy.json", config.policy))
        .with_mounted_file("/in/lock.txt", text_file("lock.txt", question.lock))
    )
    command = [*RUN, "--lock", "/in/lock.txt", "--now", now, "--out", "/out"]
    command += ["--rootfs-sha256", question.rootfs_sha256, "--location", question.location]
    records, unreachable = await advisories.known(builder, now[:10])
    if records:
        container = container.with_mounted_directory("/in/index", _index(builder, records))
        command += ["--advisories", "/in/index"]
    else:
        command += ["--unreachable", unreachable]
    asked = not (advisories.given or advisories.offline)
    if image := config.image(advisories.scanner) if asked else "":
        scanner, report = advisories.scanner, f"/in/{advisories.scanner.value}.json"
        container = container.with_mounted_file(report, _report(container, scanner, image, now))
        command += [f"--{scanner.value}", report]
    if not advisories.offline:
        container = container.with_mounted_file("/in/debian.json", _changelogs(builder, question.bill, now))
        command += ["--debian", "/in/debian.json"]
    return container.with_exec(command).directory("/out")


async def require_passed(found: dagger.Directory) -> dagger.Directory:
    """Return the findings when the gate let them pass.

    Raises:
        ChecksFailedError: it did not; every reason is listed.

    """
    if failures := (await found.file(FAILURES).contents()).splitlines():
        raise ChecksFailedError.gathered("scan", failures)
    return found


def _changelogs(builder: Builder, bill: dagger.File, now: str) -> dagger.File:
    """Return which CVEs of the Debian packages an update repairs, as the package source says now."""
    return (
        with_programs(builder.base(), "scan")
        .with_mounted_file("/in/bill.json", bill)
        .with_env_variable("WHEELHOUSE_NOW", now)
        .with_exec(["python3", "-m", "scan.changelogs", "--bill", "/in/bill.json", "--out", "/debian.json"])
        .file("/debian.json")
    )


def _index(builder: Builder, records: dagger.Directory) -> dagger.Directory:
    """Return the records sorted by package: once for the same data, for every scan of it."""
    return (
        with_packages(builder, "scan/requirements.txt", "scan")
        .with_mounted_directory("/in/advisories", records)
        .with_exec(["python3", "-m", "scan.index", "--advisories", "/in/advisories", "--out", "/out"])
        .directory("/out")
    )


def _report(container: dagger.Container, scanner: Scanner, image: str, now: str) -> dagger.File:
    """Return a scanner's report on the list with the control component added; it gets nothing else."""
    add = ["python3", "-m", "scan.control", "/in/bill.json", "/with-control.cdx.json"]
    controlled = container.with_exec(add).file("/with-control.cdx.json")
    return (
        dag.container()
        .from_(image)
        .with_mounted_file("/in/bill.cdx.json", controlled)
        # There from the start: a scanner that dies early leaves an empty report, which its reader refuses.
        .with_new_file(REPORT, "", permissions=0o666)
        .with_env_variable("WHEELHOUSE_NOW", now)
        # Findings give an exit status of their own; a report that is none is judged by its reader.
        .with_exec(
            list(COMMANDS[scanner]),
            use_entrypoint=True,
            expect=dagger.ReturnType.ANY,
            **without_engine(),
        )
        .file(REPORT)
    )
