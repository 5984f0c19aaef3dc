"""`[tool.wheelhouse.scan]`: strict by default, every wrong value refused."""

import json

import pytest
from pydantic import ValidationError

from pipeline.scan_config import ScanConfig

IGNORED = {"id": "CVE-2024-47874", "reason": "no multipart form is parsed", "until": "2026-12-31"}

ALLOWED = {"reason": "no network at this site", "until": "2026-12-31"}


def test_the_defaults_fail_closed():
    """Without a table high findings fail, data is old after a week, and nothing may be skipped."""
    config = ScanConfig()

    assert (config.fail_on, config.max_age_days, config.ignores, config.allow_skipped) == ("high", 7, (), {})


def test_the_policy_is_what_the_gate_reads():
    """The JSON for the gate holds the ignores with their end, and no image reference."""
    policy = json.loads(ScanConfig.model_validate({"ignores": [IGNORED]}).policy)

    assert policy["ignores"] == [IGNORED | {"justification": ""}]
    assert not {"grype", "osv"} & set(policy)


@pytest.mark.parametrize(
    "table",
    [
        {"fail_on": "hihg"},
        {"fail-on": "high"},
        {"max_age_days": 0},
        {"allow_skipped": {"everything": ALLOWED}},
        {"allow_skipped": {"python": "no network at this site"}},
        {"allow_skipped": {"python": ALLOWED | {"reason": "later"}}},
        {"allow_skipped": {"python": {"reason": "no network at this site"}}},
        {"ignores": [IGNORED | {"reason": "later"}]},
        {"ignores": [{key: value for key, value in IGNORED.items() if key != "until"}]},
        {"ignores": [IGNORED | {"id": "*"}]},
        {"ignores": [IGNORED | {"justification": "it is fine"}]},
        {"grype": "docker.io/anchore/grype:latest"},
        {"osv": "ghcr.io/google/osv-scanner:v2"},
    ],
)
def test_a_wrong_key_or_value_is_refused(table):
    """An unknown key, an ignore or permission without reason or end, an image without digest are errors."""
    with pytest.raises(ValidationError):
        ScanConfig.model_validate(table)
