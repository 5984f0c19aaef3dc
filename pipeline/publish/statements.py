"""Stage 8 of 8: results of tests and scans in, in-toto statements about an image's digest out; no I/O.

Test results use in-toto's test-result predicate, accepted findings OpenVEX, which grype and trivy read. All
of them are signed as the provenance is, and found from the image in the same way.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote
from xml.etree import ElementTree as ET

STATEMENT: Final = "https://in-toto.io/Statement/v1"
TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"
OPENVEX: Final = "https://openvex.dev/ns/v0.2.0"
PASSED, WARNED, FAILED = "PASSED", "WARNED", "FAILED"
ORDER: Final = (PASSED, WARNED, FAILED)
"""From good to bad. A skipped test is a warning: it says nothing about the image."""
OF_CHECKS: Final = {"passed": PASSED, "skipped": WARNED}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedImage:
    """The image that a statement is about."""

    name: str
    """Its repository: ghcr.io/me/app."""
    digest: str
    """`sha256:<hex>` of its manifest."""

    @property
    def purl(self) -> str:
        """Return the package URL that scanners give an image."""
        short = self.name.rpartition("/")[2]
        return f"pkg:oci/{short}@{quote(self.digest, safe='')}?repository_url={quote(self.name, safe='')}"

    def statement(self, predicate_type: str, predicate: Mapping[str, Any]) -> str:
        """Return a statement about the image as JSON, the same bytes for the same facts."""
        document = {
            "_type": STATEMENT,
            "subject": [{"name": self.name, "digest": {"sha256": self.digest.removeprefix("sha256:")}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"))


def suite_result(
    image: AttestedImage, suite: str, results: Mapping[str, str], configuration: Mapping[str, str]
) -> str:
    """Return the statement about one run of tests.

    Args:
        image: the tested image.
        suite: its name: tests, secrets.
        results: name of a test or of a group of tests -> PASSED, WARNED or FAILED; none is a failure.
        configuration: name -> text of each file that says what is tested.

    """
    names = {one: sorted(name for name, status in results.items() if status == one) for one in ORDER}
    predicate = {
        "result": max(results.values(), key=ORDER.index, default=FAILED),
        "configuration": [
            {"name": name, "digest": {"sha256": sha256(text.encode()).hexdigest()}}
            for name, text in sorted(configuration.items())
        ],
        "suite": suite,
        "passedTests": names[PASSED],
        "warnedTests": names[WARNED],
        "failedTests": names[FAILED],
    }
    return image.statement(TEST_RESULT, predicate)


def junit_results(junit: str) -> dict[str, str]:
    """Return the worst result of each class or module of a JUnit report.

    Not of each test: every publish sends the statement, and hundreds of names tell a verifier nothing more.
    """
    results: dict[str, str] = {}
    for case in ET.fromstring(junit).iter("testcase"):  # noqa: S314 - written by our own container
        tags = {one.tag for one in case}
        status = FAILED if tags & {"failure", "error"} else WARNED if "skipped" in tags else PASSED
        name = case.get("classname") or case.get("name") or "unnamed"
        results[name] = max(results.get(name, PASSED), status, key=ORDER.index)
    return results


def check_results(checks: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the result of each check of `verify`."""
    return {str(one["name"]): OF_CHECKS.get(str(one["status"]), FAILED) for one in checks}


def accepted_findings(image: AttestedImage, findings: str, openvex: str) -> str:
    """Return the statement with the VEX of the findings that the configuration accepts; "" for none.

    Args:
        image: the scanned image: the product; the affected component is its part.
        findings: findings.json of the scan.
        openvex: openvex.json of the same scan.

    """
    accepted = {one["id"] for one in json.loads(findings)["ignored"]}
    document = json.loads(openvex)
    statements = [
        {**one, "products": [{"@id": image.purl, "subcomponents": one["products"]}]}
        for one in document["statements"]
        if one["vulnerability"]["name"] in accepted
    ]
    if not statements:
        return ""
    content = json.dumps([image.digest, document["timestamp"], statements], sort_keys=True)
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:sha256:{sha256(content.encode()).hexdigest()}")
    return image.statement(OPENVEX, {**document, "@id": f"urn:uuid:{name}", "statements": statements})
