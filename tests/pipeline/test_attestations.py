"""What a statement says of the call that made it."""

import json
from dataclasses import replace

from dagger import dag

from pipeline.check.scan import Advisories
from pipeline.publish.attestations import timeless
from pipeline.publish.oci_layout import Compression
from pipeline.publish.options import PublishOptions
from pipeline.publish.tags import TagOptions
from pipeline.registry import Registry
from pipeline.variants import Variant

WANTED = PublishOptions(
    registry=Registry(address="ghcr.io/me/app", username="me", password=dag.set_secret("p", "hunter2")),
    variants=[Variant.CPU],
    wishes=TagOptions(extra=("one", "two"), allow_dirty=True, latest=True),
    compression=Compression.GZIP,
    advisories=Advisories(offline=True),
    platforms=("linux/amd64", "linux/arm64"),
)


def test_every_argument_that_shapes_a_publish_is_said_and_no_login():
    """Words and flags of the call are there under the names they are passed by; user and password are not."""
    assert {name: value for name, value in WANTED.arguments.items() if value} == {
        "address": "ghcr.io/me/app",
        "allow-dirty": "true",
        "compression": "gzip",
        "latest": "true",
        "offline": "true",
        "platforms": "linux/amd64,linux/arm64",
        "scanner": "grype",
        "tags": "one,two",
    }


def test_a_scan_with_given_data_names_no_scanner():
    """Where advisories were passed, no scanner was asked."""
    known = Advisories(directory=dag.directory())

    assert replace(WANTED, advisories=known).arguments["scanner"] == ""
    assert replace(WANTED, advisories=known).arguments["advisories"] == "true"


def scan(checked_at: str, age_days: float) -> str:
    """Return what a scan writes: one finding from data of the same day."""
    part = {"part": "debian", "newest": "2026-11-20T02:00:00+00:00", "age_days": age_days}
    return json.dumps({"checked_at": checked_at, "coverage": [part], "findings": [{"id": "CVE-1"}]}, indent=1)


def test_the_same_findings_of_another_hour_are_the_same_bytes():
    """What is attached says nothing of the clock: an edited line does not send it again."""
    found, checked_at = timeless(scan("2026-11-21T12:00:00+00:00", 1.4))

    assert checked_at == "2026-11-21T12:00:00+00:00"
    assert found == timeless(scan("2026-11-21T22:00:00+00:00", 1.8))[0]
    assert json.loads(found)["coverage"][0]["newest"] == "2026-11-20T02:00:00+00:00"
    assert json.loads(found)["findings"] == [{"id": "CVE-1"}]
