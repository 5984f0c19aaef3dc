"""Stage 8 of 8: what speaks for an image: the scan that it must pass, and what is attached to it."""

import json
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Final

import dagger
from dagger import dag

from pipeline.build.assembly import Assembly, once
from pipeline.check.sbom import CYCLONEDX, rootfs_sha256, software_lists
from pipeline.check.scan import Question, findings, require_passed
from pipeline.check.tests import Subject, test_reports
from pipeline.check.verify import Check, judged, require_kept, verdicts
from pipeline.commits import commit_time, git_state
from pipeline.publish.options import PublishOptions
from pipeline.publish.provenance import BuildFacts, provenance
from pipeline.publish.push import Gate, Prepared, Publication, publish_images
from pipeline.publish.signing import LISTS, Document, referrers, signed
from pipeline.publish.statements import (
    AttestedImage,
    accepted_findings,
    check_results,
    junit_results,
    suite_result,
)
from pipeline.publish.tags import GitState, image_tags
from pipeline.variants import Base, Variant

FINDINGS: Final = "findings.json"
FINDINGS_TYPE: Final = "application/vnd.wheelhouse.findings.v1+json"
OPENVEX_FILE: Final = "openvex.json"
JUNIT: Final = ("junit.xml", "http.xml", "gpu.xml")
"""Reports of the runs of `test`."""
SECRETS: Final = ("no credential of the build", "no key of known form", "no secret in texts")
"""Checks of `verify` that search every layer and the configuration for secrets."""
STATEMENT: Final = "provenance"
STATEMENT_TYPE: Final = "application/vnd.in-toto+json"


async def published(
    assembly: Assembly, repository: dagger.GitRepository, wanted: PublishOptions, now: str
) -> list[str]:
    """Test, check and scan every image, then push all of them with what speaks for them.

    Args:
        assembly: the service.
        repository: its HEAD makes the tags.
        wanted: where to, and how.
        now: ISO 8601 time of the scan.

    Returns:
        `REPOSITORY@sha256:… TAG…` of each image.

    Raises:
        PipelineError: a dirty tree, wrong tags or address; found before anything is built.
        ChecksFailedError: a gate refuses an image; every reason is listed and nothing is pushed.
        dagger.ExecError: the registry refuses; stderr says what, and moving tags are where they were.

    """
    state = await git_state(repository, with_branch=wanted.wishes.branch)
    image_tags(state, wanted.wishes)
    created = await commit_time(assembly.builder, repository, state.commit) if state.commit else 0
    evidence = partial(Evidence, state=state, source=await repository.url() or "", wanted=wanted, now=now)
    publication = Publication(
        registry=wanted.registry,
        state=state,
        created=created,
        variants=wanted.variants,
        wishes=wanted.wishes,
        compression=wanted.compression,
        platforms=wanted.platforms,
        witness=lambda one: evidence(assembly=one),
    )
    return await publish_images(assembly, publication)


async def image_question(
    assembly: Assembly, variant: Variant, base: Base, bill: dagger.File | None
) -> Question:
    """Return what a scan asks about an image: of its own list, or of one that must prove to be its."""
    listed = await assembly.listed(variant, base)
    own = bill or (await software_lists(assembly.builder, listed)).file(CYCLONEDX)
    return Question(
        bill=own,
        lock=listed.lock,
        rootfs_sha256=await rootfs_sha256(assembly.builder, listed.image) if bill else "",
        location=f"requirements/{variant.value}.txt",
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What is found out about the images of one publication, each once."""

    assembly: Assembly
    state: GitState
    source: str
    """URL of the git repository; "" for a local one."""
    wanted: PublishOptions
    now: str
    """ISO 8601 time of the scan."""

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Return what every image must pass."""
        return self.test, self.verify, self.scan

    @once
    async def lists(self, variant: Variant) -> dagger.Directory:
        """Return the software lists of a variant, as `sbom` gives them.

        Neither commit nor clock is in them: an edit of the service's code sends none of their bytes.
        """
        listed = await self.assembly.listed(variant, Base.SMALL)
        return await (await software_lists(self.assembly.builder, listed)).sync()

    @once
    async def found(self, variant: Variant) -> dagger.Directory:
        """Return the findings of a variant, whatever they say."""
        question = Question(
            bill=(await self.lists(variant)).file(CYCLONEDX),
            lock=(await self.assembly.lock(variant)).text,
            location=f"requirements/{variant.value}.txt",
        )
        config = self.assembly.config.service.scan
        found = await findings(self.assembly.builder, question, self.wanted.advisories, config, self.now)
        return await found.sync()

    async def test(self, subject: Subject) -> None:
        """Run the tests.

        Raises:
            ChecksFailedError: one failed.

        """
        await self.tested(subject.variant)

    @once
    async def tested(self, variant: Variant) -> dict[str, str]:
        """Return the JUnit report of each run of the tests by its file's name.

        Raises:
            ChecksFailedError: one failed.

        """
        subject = await self.assembly.subject(variant, Base.SMALL)
        reports = await test_reports(self.assembly.builder, subject)
        return {name: await reports.file(name).contents() for name in await reports.glob("*.xml")}

    @once
    async def verified(self, variant: Variant) -> list[Check]:
        """Return the verdict of every check.

        Raises:
            ChecksFailedError: one failed.

        """
        checks = await verdicts(self.assembly.builder, await judged(self.assembly, variant, Base.SMALL))
        require_kept(checks, variant)
        return checks

    async def verify(self, subject: Subject) -> None:
        """Check every promise about the image.

        Raises:
            ChecksFailedError: one is not kept.

        """
        await self.verified(subject.variant)

    async def scan(self, subject: Subject) -> None:
        """Scan the image.

        Raises:
            ChecksFailedError: the gate does not let it pass.

        """
        await require_passed(await self.found(subject.variant))

    async def documents(self, variant: Variant, image: Prepared) -> dagger.Directory:
        """Return everything that is attached to an image: SBOMs, findings, signed statements."""
        lists = await self.lists(variant)
        texts = {name: await lists.file(name).contents() for name in LISTS}
        scan = await (await self.found(variant)).file(FINDINGS).contents()
        documents = [Document(name=name, text=text, media_type=LISTS[name]) for name, text in texts.items()]
        found, _ = timeless(scan)
        documents.append(Document(name=FINDINGS, text=found, media_type=FINDINGS_TYPE, once=True))
        statements = {STATEMENT: await self._statement(variant, image, texts[CYCLONEDX], scan)}
        statements |= await self._results(variant, image, scan)
        if key := self.wanted.signing_key:
            return await referrers(documents, signed(self.assembly.builder, statements, key, self.now))
        unsigned = [
            Document(
                name=f"{name}.intoto.json",
                text=statement,
                media_type=STATEMENT_TYPE,
                annotations={"in-toto.io/predicate-type": json.loads(statement)["predicateType"]},
                once=True,
            )
            for name, statement in statements.items()
        ]
        return await referrers([*documents, *unsigned], None)

    async def _results(self, variant: Variant, image: Prepared, scan: str) -> dict[str, str]:
        """Return the statements about tests, secrets and accepted findings by name."""
        subject = AttestedImage(name=self.wanted.registry.address, digest=image.digest)
        declared = {"pyproject.toml": await self.assembly.source.file("pyproject.toml").contents()}
        reports = await self.tested(variant)
        tests = {
            f"{name.removesuffix('.xml')}: {case}": result
            for name, junit in reports.items()
            if name in JUNIT
            for case, result in junit_results(junit).items()
        }
        secrets = [one for one in await self.verified(variant) if one["name"] in SECRETS]
        openvex = await (await self.found(variant)).file(OPENVEX_FILE).contents()
        vex = accepted_findings(subject, scan, openvex)
        return {
            "tests": suite_result(subject, "tests", tests, declared),
            "secrets": suite_result(subject, "secrets", check_results(secrets), declared),
            **({"vex": vex} if vex else {}),
        }

    async def _statement(self, variant: Variant, image: Prepared, bill: str, scan: str) -> str:
        found, checked_at = timeless(scan)
        facts = BuildFacts(
            name=self.wanted.registry.address,
            digest=image.digest,
            sbom=bill,
            lock=(await self.assembly.lock(variant)).text,
            commit=self.state.commit.sha if self.state.commit else "",
            dirty=self.state.dirty,
            source=self.source,
            engine=f"dagger {await dag.version()}",
            module=_module_version(),
            arguments={**self.wanted.arguments, **_settings(self.assembly), "variant": variant.value},
            findings=found,
            checked_at=checked_at,
        )
        return provenance(facts)


def _settings(assembly: Assembly) -> dict[str, str]:
    """Return the flags that the assembly was made with; logins are no part of it."""
    builder = assembly.builder
    return {
        "cuda-base": builder.cuda_image,
        "hf-endpoint": assembly.hub.endpoint,
        "index-url": builder.index_url,
        "platform": builder.platform,
        "python-image": builder.image,
    }


def _module_version() -> str:
    try:
        return metadata.version("wheelhouse")
    except metadata.PackageNotFoundError:
        return ""


def timeless(findings: str) -> tuple[str, str]:
    """Return a scan's findings without the clock, and the time of the scan.

    The same advisories about the same list then are the same bytes, which a registry has already.
    """
    document = json.loads(findings)
    checked_at = document.pop("checked_at")
    for part in document["coverage"]:
        # What is left is the time of the newest advisory: the age follows from both.
        del part["age_days"]
    return json.dumps(document, separators=(",", ":")), checked_at
