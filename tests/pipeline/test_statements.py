"""Statements about tests, secrets and accepted findings are in-toto's and OpenVEX's, bound to the digest."""

import json

import pytest

from pipeline.publish.statements import (
    AttestedImage,
    accepted_findings,
    check_results,
    junit_results,
    suite_result,
)

IMAGE = AttestedImage(name="ghcr.io/me/app", digest=f"sha256:{64 * 'a'}")
JUNIT = """<testsuites><testsuite>
<testcase classname="tests.test_api" name="test_health"/>
<testcase classname="tests.test_api" name="test_embed"/>
<testcase classname="tests.test_gpu" name="test_device"><skipped message="no GPU"/></testcase>
</testsuite></testsuites>"""


def test_results_of_tests_name_what_passed_and_what_did_not():
    """A skipped test makes the result WARNED; tests are named by module, the configuration by its hash."""
    text = suite_result(IMAGE, "tests", junit_results(JUNIT), {"pyproject.toml": "[project]\n"})
    statement = json.loads(text)

    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement["subject"] == [{"name": "ghcr.io/me/app", "digest": {"sha256": 64 * "a"}}]
    predicate = statement["predicate"]
    assert (predicate["result"], predicate["passedTests"]) == ("WARNED", ["tests.test_api"])
    assert (predicate["warnedTests"], predicate["failedTests"]) == (["tests.test_gpu"], [])
    [configuration] = predicate["configuration"]
    assert configuration["name"] == "pyproject.toml"
    assert len(configuration["digest"]["sha256"]) == 64


@pytest.mark.parametrize(
    ("results", "result"),
    [
        ({}, "FAILED"),
        ({"a": "PASSED"}, "PASSED"),
        ({"a": "PASSED", "b": "FAILED", "c": "WARNED"}, "FAILED"),
    ],
)
def test_nothing_tested_is_no_pass(results: dict[str, str], result: str):
    """The result is that of the worst test; a suite without a test has failed."""
    assert json.loads(suite_result(IMAGE, "tests", results, {}))["predicate"]["result"] == result


def test_a_failed_case_fails_its_module():
    """One failure or error among passed cases is the module's result."""
    broken = JUNIT.replace('name="test_embed"/>', 'name="test_embed"><error/></testcase>')

    assert junit_results(broken)["tests.test_api"] == "FAILED"


def test_a_check_of_an_unknown_status_has_failed():
    """Passed and skipped are known; whatever else a check says is a failure."""
    checks = [{"name": str(number), "status": one} for number, one in enumerate(("passed", "skipped", "?"))]

    assert list(check_results(checks).values()) == ["PASSED", "WARNED", "FAILED"]


def test_accepted_findings_are_vex_statements_about_the_image():
    """Scanners find the image as the product and the component as its part; other findings are left out."""
    found = {
        "vulnerability": {"name": "CVE-2026-1"},
        "products": [{"@id": "pkg:pypi/a@1"}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    other = found | {"vulnerability": {"name": "CVE-2026-2"}}
    openvex = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "urn:uuid:0", "author": "a", "version": 1}
    openvex |= {"timestamp": "2026-11-28T00:00:00+00:00", "statements": [found, other]}
    findings = {"ignored": [{"id": "CVE-2026-1", "reason": "…", "until": "2026-12-31"}]}

    statement = json.loads(accepted_findings(IMAGE, json.dumps(findings), json.dumps(openvex)))

    assert statement["predicateType"] == statement["predicate"]["@context"]
    [one] = statement["predicate"]["statements"]
    [product] = one["products"]
    purl = f"pkg:oci/app@sha256%3A{64 * 'a'}?repository_url=ghcr.io%2Fme%2Fapp"
    assert product == {"@id": purl, "subcomponents": [{"@id": "pkg:pypi/a@1"}]}
    assert accepted_findings(IMAGE, json.dumps({"ignored": []}), json.dumps(openvex)) == ""
