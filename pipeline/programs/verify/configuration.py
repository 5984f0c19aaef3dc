"""Promises about the configuration of an image: user, health, labels, ports, base."""

import re
from typing import Final

from verify.subject import Subject
from verify.verdict import Observation, Promise

NUMERIC: Final = re.compile(r"^[1-9]\d*(:[1-9]\d*)?$")
PREFIX: Final = "org.opencontainers.image."
REQUIRED: Final = ("title", "version", "base.name", "base.digest")
"""Annotations of every image; a service that declares more has more, e.g. description and licenses.

Source: image-spec annotations.md; publishing adds revision and created.
"""
DIGEST: Final = re.compile(r"^sha256:[0-9a-f]{64}$")


def user(subject: Subject) -> Observation:
    """Look at the user that the image's process gets."""
    found = str(subject.image.settings.get("User", ""))
    return Observation([] if NUMERIC.match(found) else [f"User {found!r}"], found)


def healthcheck(subject: Subject) -> Observation:
    """Look whether there is a health probe that needs no shell."""
    test = (subject.image.settings.get("Healthcheck") or {}).get("Test") or []
    if not test and subject.facts.protocol == "none":
        return Observation([], "none: a worker that declares no health_command")
    if not test or test[0] == "NONE":
        return Observation(["no HEALTHCHECK"])
    return Observation(["HEALTHCHECK of the form CMD-SHELL"] if test[0] != "CMD" else [], " ".join(test[:4]))


def labels(subject: Subject) -> Observation:
    """Look whether the labels are complete and those of this service."""
    found: dict[str, str] = subject.image.settings.get("Labels") or {}
    wanted = [f"{PREFIX}{key}" for key in REQUIRED]
    missing = [f"no {key}" for key in wanted if not found.get(key)]
    other = [
        f"{key} = {found[key]!r} instead of {value!r}"
        for key, value in subject.facts.labels.items()
        if found.get(key) and found[key] != value
    ]
    missing += [f"no {key}" for key in subject.facts.labels if key not in found and key not in wanted]
    return Observation([*missing, *other], f"{len(found)} labels")


def port(subject: Subject) -> Observation:
    """Look whether the service's port, and no other, is exposed."""
    found = sorted(subject.image.settings.get("ExposedPorts") or {})
    wanted = [f"{subject.facts.port}/tcp"] if subject.facts.port else []
    looked = ", ".join(found) or 'none: protocol = "none"'
    return Observation([] if found == wanted else [f"exposed: {', '.join(found) or 'none'}"], looked)


def base(subject: Subject) -> Observation:
    """Look whether the image says by digest what it stands on, and whether that is what was resolved."""
    found = subject.image.settings.get("Labels") or {}
    name, digest = found.get(f"{PREFIX}base.name", ""), found.get(f"{PREFIX}base.digest", "")
    if not DIGEST.match(digest):
        return Observation([f"base {name or 'unknown'} with digest {digest!r}"])
    reference = f"{name}@{digest}"
    wanted = subject.facts.base_reference
    return Observation(
        [f"{reference}, while {wanted} was resolved"] if reference != wanted else [], reference
    )


PROMISES: Final = (
    Promise(
        "numeric non-root user",
        user,
        "UID:GID by number, neither of them 0",
        "Set it with with_user: a name cannot be checked by Kubernetes' runAsNonRoot.",
    ),
    Promise(
        "healthcheck present",
        healthcheck,
        "a HEALTHCHECK of the form CMD",
        "Set it with with_docker_healthcheck; a shell form needs a shell.",
    ),
    Promise(
        "labels complete",
        labels,
        f"{', '.join(REQUIRED)}, and each that [project] declares",
        "Complete name and version of [project] in pyproject.toml, and build again.",
    ),
    Promise("port exposed", port, "the service's port and no other", "Correct `port` of [tool.wheelhouse]."),
    Promise(
        "base pinned by digest",
        base,
        f"{PREFIX}base.digest of the base that was resolved",
        "Build again; a base whose digest nobody knows cannot be checked for updates.",
    ),
)
