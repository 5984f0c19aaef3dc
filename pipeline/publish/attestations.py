"""Gates of an image, and the documents attached to it: SBOM, findings, VEX, test results, provenance."""

import json
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

import dagger
from dagger import dag

from pipeline.build.project import Project
from pipeline.build.stages import BuiltImage
from pipeline.check.outcome import Outcome
from pipeline.check.sbom import CYCLONEDX, sbom_input, software_lists
from pipeline.check.scan import scan_image
from pipeline.check.tests import test_image
from pipeline.check.verify import verify_image
from pipeline.publish.options import Release
from pipeline.publish.provenance import BuildFacts, provenance
from pipeline.publish.signing import LISTS, Document, referrers, signed
from pipeline.publish.statements import (
    AttestedImage,
    accepted_findings,
    check_results,
    junit_results,
    suite_result,
)
from pipeline.tasks import gather

FINDINGS: Final = "findings.json"
FINDINGS_TYPE: Final = "application/vnd.wheelhouse.findings.v1+json"
VERDICTS: Final = "verify.json"
OPENVEX_FILE: Final = "openvex.json"
JUNIT: Final = ("junit.xml", "http.xml", "gpu.xml")
"""Reports of the runs of `test`."""
SECRETS: Final = ("no credential of the build", "no key of known form", "no secret in texts")
"""Checks of `verify` that search every layer and the configuration for secrets."""
STATEMENT: Final = "provenance"
STATEMENT_TYPE: Final = "application/vnd.in-toto+json"


@dataclass(frozen=True, kw_only=True, eq=False)
class CheckedImage:
    """An image, its SBOMs, and the outcomes of its gates."""

    image: BuiltImage
    sboms: dagger.Directory
    """Neither commit nor clock is in them: an edit of the service's code sends none of their bytes."""
    tests: Outcome
    policies: Outcome
    scan: Outcome

    @property
    def refusals(self) -> tuple[str, ...]:
        """Return every reason not to publish the image."""
        return tuple(
            f"{gate.step}: {failure}"
            for gate in (self.tests, self.policies, self.scan)
            for failure in gate.failures
        )


async def check_image(image: BuiltImage, release: Release) -> CheckedImage:
    """Return an image with the outcomes of every gate, whatever they are."""
    lists = await software_lists(image.project.builder, await sbom_input(image))
    sboms = await lists.sync()
    tests, policies, scan = await gather(
        test_image(image),
        verify_image(image),
        scan_image(image, release.options.advisories, release.now),
    )
    return CheckedImage(image=image, sboms=sboms, tests=tests, policies=policies, scan=scan)


async def attestations(checked: CheckedImage, digest: str, release: Release) -> dagger.Directory:
    """Return everything that is attached to an image: SBOMs, findings, signed statements."""
    texts = {name: await checked.sboms.file(name).contents() for name in LISTS}
    scan = await _text(checked.scan, FINDINGS)
    documents = [Document(name=name, text=text, media_type=LISTS[name]) for name, text in texts.items()]
    found, _ = timeless(scan)
    documents.append(Document(name=FINDINGS, text=found, media_type=FINDINGS_TYPE, once=True))
    statements = {STATEMENT: await _provenance(checked, digest, release, texts[CYCLONEDX], scan)}
    statements |= await _results(checked, digest, release, scan)
    if key := release.options.signing_key:
        return await referrers(documents, signed(checked.image.project.builder, statements, key, release.now))
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


async def _results(checked: CheckedImage, digest: str, release: Release, scan: str) -> dict[str, str]:
    """Return the statements about tests, secrets and accepted findings by name."""
    subject = AttestedImage(name=release.options.registry.address, digest=digest)
    pyproject = checked.image.project.source.file("pyproject.toml")
    declared = {"pyproject.toml": await pyproject.contents()}
    reports = checked.tests.passed_files()
    present = [name for name in await reports.glob("*.xml") if name in JUNIT]
    tests = {
        f"{name.removesuffix('.xml')}: {case}": result
        for name in present
        for case, result in junit_results(await reports.file(name).contents()).items()
    }
    verdicts: list[dict[str, Any]] = json.loads(await _text(checked.policies, VERDICTS))["checks"]
    secrets = [one for one in verdicts if one["name"] in SECRETS]
    vex = accepted_findings(subject, scan, await _text(checked.scan, OPENVEX_FILE))
    return {
        "tests": suite_result(subject, "tests", tests, declared),
        "secrets": suite_result(subject, "secrets", check_results(secrets), declared),
        **({"vex": vex} if vex else {}),
    }


async def _text(outcome: Outcome, name: str) -> str:
    return await outcome.passed_files().file(name).contents()


async def _provenance(checked: CheckedImage, digest: str, release: Release, sbom: str, scan: str) -> str:
    image, state = checked.image, release.state
    found, checked_at = timeless(scan)
    facts = BuildFacts(
        name=release.options.registry.address,
        digest=digest,
        sbom=sbom,
        lock=image.lock.text,
        commit=state.commit.sha if state.commit else "",
        dirty=state.dirty,
        source=release.source,
        engine=f"dagger {await dag.version()}",
        module=_module_version(),
        arguments={**release.options.arguments, **_settings(image.project), "variant": image.variant.value},
        findings=found,
        checked_at=checked_at,
    )
    return provenance(facts)


def _settings(project: Project) -> dict[str, str]:
    """Return the flags that the project is built with; logins are not part of it."""
    builder = project.builder
    return {
        "cuda-base": builder.cuda_image,
        "hf-endpoint": project.hub.endpoint,
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
