"""What a statement says of the call that made it."""

from dataclasses import replace

from dagger import dag

from pipeline.evidence import Wanted
from pipeline.packing import Compression
from pipeline.registry import Registry
from pipeline.scan import Advisories
from pipeline.tags import TagWishes
from pipeline.variants import Variant

WANTED = Wanted(
    registry=Registry(address="ghcr.io/me/app", username="me", password=dag.set_secret("p", "hunter2")),
    variants=[Variant.CPU],
    wishes=TagWishes(extra=("one", "two"), allow_dirty=True, latest=True),
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
