"""Stage 8 of 8: what an image was made of in, an in-toto statement about its digest out; no I/O.

The predicate is SLSA provenance v1. It claims what the build can know of itself: a key on this machine
makes level 1; level 2 needs a hosted builder that signs, which is what GitHub's attest action adds.

Every publish sends it, a byte as 4/3 within a bundle, so nothing stands in it twice. What is hashed as
`lock` is one line a pin, sorted by name: `name==version[ ; marker] --hash=sha256:… …`, so that comments and
line breaks of the file do not count.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:wheelhouse:image-build:1"
ORIGINAL: Final = "wheelhouse:original:"
"""What precedes the name of a model's file, as it was fetched, in the software list."""
PURL_VERSION: Final = re.compile(r"@[^?#]*")
SECRET: Final = re.compile(r"auth|credential|key|netrc|passw|secret|token", re.IGNORECASE)
"""Arguments with such a name are left out, whatever they hold: not even a hash of them is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts:
    """What is known about one build."""

    name: str
    """Repository of the image: ghcr.io/me/app."""
    digest: str
    """`sha256:<hex>` of the image's manifest."""
    sbom: str
    """CycloneDX text: base image, wheels and models with their hashes."""
    lock: str
    """Hash-pinned requirements."""
    commit: str
    """Git commit, 40 hex digits; "" where there is none."""
    dirty: bool
    """Whether the tree differed from the commit."""
    source: str = ""
    """URL of the repository."""
    engine: str
    """Engine and version: "embedded 0.1.0", "dagger v0.21.8"."""
    module: str = ""
    """Version of this module."""
    builder: str = "urn:wheelhouse:local"
    """Who built: the URI of a workflow, or the default."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Arguments of the function that built."""
    findings: str = ""
    """findings.json of the scan, as it is attached; "" when it was not scanned."""
    checked_at: str = ""
    """ISO 8601 time of the scan, which the attached findings leave out."""


def provenance(facts: BuildFacts) -> str:
    """Return the statement as JSON, the same bytes for the same facts."""
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": facts.name, "digest": {"sha256": facts.digest.removeprefix("sha256:")}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": dict(_safe(facts.arguments)),
                "internalParameters": {"dirty": facts.dirty},
                "resolvedDependencies": list(_materials(facts)),
            },
            "runDetails": {
                "builder": {"id": facts.builder, "version": dict(_versions(facts))},
                "byproducts": list(_byproducts(facts)),
            },
        },
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":"))


def without_credentials(text: str) -> str:
    """Return a URL without user and password; other text as it is."""
    parts = urlsplit(text)
    if not parts.scheme or "@" not in parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _versions(facts: BuildFacts) -> Iterator[tuple[str, str]]:
    yield "engine", facts.engine
    if facts.module:
        yield "wheelhouse", facts.module


def _safe(arguments: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in sorted(arguments.items()):
        if value and not SECRET.search(name):
            yield name, without_credentials(value)


def _materials(facts: BuildFacts) -> Iterator[dict[str, Any]]:
    """Yield the source, the lock, every component whose bytes are known, and where a model is from."""
    place = without_credentials(facts.source)
    if facts.commit:
        yield {"uri": f"git+{place}" if place else "git+.", "digest": {"gitCommit": facts.commit}}
    digest = sha256(facts.lock.encode()).hexdigest()
    yield {"name": "lock", "digest": {"sha256": digest}}
    for component in json.loads(facts.sbom)["components"]:
        yield from _material(component)


def _material(component: dict[str, Any]) -> Iterator[dict[str, Any]]:
    purl = component.get("purl", "")
    kind, version = component["type"], component["version"]
    if kind == "container" and version.startswith("sha256:"):
        # The digest is also the version within the purl.
        yield {"uri": PURL_VERSION.sub("", purl), "digest": {"sha256": version.removeprefix("sha256:")}}
    elif kind == "machine-learning-model":
        yield {"uri": purl, "name": component["name"]}
        for one in component.get("properties", []):
            if one["name"].startswith(ORIGINAL):
                name = f"{component['name']}/{one['name'].removeprefix(ORIGINAL)}"
                yield {"name": name, "digest": {"sha256": one["value"].removeprefix("sha256:")}}
    elif hashes := component.get("hashes"):
        yield {"uri": purl, "digest": {"sha256": hashes[0]["content"]}}


def _byproducts(facts: BuildFacts) -> Iterator[dict[str, Any]]:
    yield {"name": "sbom.cdx.json", "digest": {"sha256": sha256(facts.sbom.encode()).hexdigest()}}
    if facts.findings:
        digest = sha256(facts.findings.encode()).hexdigest()
        when = {"annotations": {"checked_at": facts.checked_at}} if facts.checked_at else {}
        yield {"name": "findings.json", "digest": {"sha256": digest}, **when}
