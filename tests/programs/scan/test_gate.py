"""The gate: severity, ignores with an end, and an image that the list is not of."""

import json

import pytest

pytestmark = pytest.mark.integration

BAD = ["starlette==0.37.2"]
IGNORED = {"id": "CVE-2024-47874", "reason": "no multipart form is parsed", "until": "2026-08-01"}


def test_findings_at_the_level_fail_and_milder_ones_do_not(scanner):
    """The gate fails for findings at or above its level, each named with its fix."""
    failures = scanner.scan(scanner.bill(BAD), policy={"fail_on": "high"})["failures"]

    assert any("CVE-2024-47874 (high), fixed in 0.40.0" in line for line in failures)
    assert not any("(medium)" in line for line in failures)


def test_never_shows_findings_and_passes(scanner):
    """With fail_on = never findings are shown and fail nothing."""
    result = scanner.scan(scanner.bill(BAD), policy={"fail_on": "never"})

    assert (len(result["findings"]), result["passed"]) == (7, True)


def test_an_ignore_covers_its_finding_until_its_end(scanner):
    """An ignored finding stays in the result and fails nothing."""
    result = scanner.scan(scanner.bill(BAD), policy={"ignores": [IGNORED]})

    assert [one["id"] for one in result["ignored"]] == ["CVE-2024-47874"]
    assert not any("CVE-2024-47874" in line for line in result["failures"])


def test_an_expired_ignore_fails_and_covers_nothing(scanner):
    """An ignore past its end is a failure of its own, and its finding is back."""
    failures = scanner.scan(scanner.bill(BAD), policy={"ignores": [IGNORED | {"until": "2026-07-13"}]})[
        "failures"
    ]

    assert [line.partition(":")[0] for line in failures if "CVE-2024-47874" in line] == [
        "starlette 0.37.2",
        "ignore of CVE-2024-47874 ended on 2026-07-13",
    ]


def test_an_unused_ignore_warns(scanner):
    """An ignore that covers no finding is named, so that it can be removed."""
    result = scanner.scan(scanner.bill(["jinja2==3.1.6"]), policy={"ignores": [IGNORED]})

    assert result["passed"]
    assert "ignore of CVE-2024-47874 is unused: remove it" in result["warnings"]


@pytest.mark.parametrize(
    "policy",
    [
        {"fail_on": "hihg"},
        {"fail": "high"},
        {"ignores": [{"id": "CVE-1"}]},
        [],
        {"ignores": [IGNORED | {"until": "soon"}]},
    ],
)
def test_a_policy_that_is_not_understood_stops_the_scan(scanner, policy):
    """A wrong key or value of the policy is a PolicyError, not a default."""
    done = scanner.run(scanner.bill(BAD), policy=policy)

    assert done.returncode == 2
    assert "PolicyError" in done.stderr


def test_a_list_of_another_image_fails(scanner):
    """A list that carries the digest of another root filesystem fails the gate."""
    failures = scanner.scan(scanner.bill(["jinja2==3.1.6"]), "--rootfs-sha256", "ab" * 32)["failures"]

    assert any("of another image" in line for line in failures)


def test_files_that_no_component_owns_fail_beyond_half_a_percent(scanner):
    """An image of which less than 99.5 % of the files have an owner fails."""
    properties = [
        {"name": "wheelhouse:files", "value": "1000"},
        {"name": "wheelhouse:files-unowned", "value": "6"},
    ]
    bill = scanner.bill(["jinja2==3.1.6"], metadata={"component": {}, "properties": properties})

    assert any("6 of 1000 files" in line for line in scanner.scan(bill)["failures"])


@pytest.mark.parametrize(
    ("justification", "status"),
    [("", "affected"), ("vulnerable_code_not_in_execute_path", "not_affected")],
)
def test_an_ignore_says_in_vex_whether_the_image_is_affected(scanner, justification, status):
    """Without a justification an accepted finding stays affected: only its fix may wait."""
    scanner.scan(scanner.bill(BAD), policy={"ignores": [IGNORED | {"justification": justification}]})

    vex = json.loads((scanner.folder / "out/openvex.json").read_text())["statements"]
    [one] = [one for one in vex if one["vulnerability"]["name"] == "CVE-2024-47874"]
    assert (one["status"], one.get("justification", "")) == (status, justification)
    assert "no multipart form is parsed" in one.get("impact_statement", one.get("action_statement"))
