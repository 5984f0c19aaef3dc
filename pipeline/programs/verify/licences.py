"""Policy on licences: every one in the image is on the service's list, or accepted by version."""

import email
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lib.deb822 import stanzas
from packaging.utils import canonicalize_name

from verify.licence_names import named, of_text, permitted, read
from verify.subject import Subject
from verify.verdict import Observation, Promise

MODEL: Final = "model "
NOT_FREE: Final = re.compile(r"(non-free|contrib)")
STRICT: Final = re.compile(r"^License:.*\b(AGPL|SSPL)[\w.+-]*", re.MULTILINE)
FILES: Final = re.compile(r"^(licenses/)?[^/]*(LICEN[CS]E|COPYING)[^/]*$", re.IGNORECASE)
"""Licence files of a wheel, below its dist-info folder; deeper ones are of bundled code."""
UNTOLD: Final = {"OSI Approved", "DFSG approved"}
"""Classifiers that name no licence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """One package or model and its licence."""

    owner: str
    version: str
    expression: str
    """SPDX expression; "" where none could be read."""
    written: str = ""
    """What was written instead, and where."""


def licences(subject: Subject) -> Observation:
    """Look at the licences of wheels and models, and for what Debian packages must not bring."""
    allowed = {name.lower() for name in subject.facts.licences}
    found = [*_wheels(subject), *_models(subject)]
    wrong = [one for one in found if not permitted(one.expression, allowed)]
    wrong += _debian(subject, allowed)
    accepted = {
        (canonicalize_name(one["package"]), one["version"]) for one in subject.facts.accepted_licences
    }
    used = {key for one in wrong if (key := _key(one)) in accepted}
    unused = [f"{name} {version}" for name, version in sorted(accepted - used)]
    detail = f"{len(found)} wheels and models"
    detail += f"; accepted_licences that match nothing: {', '.join(unused)}" if unused else ""
    return Observation([_said(one) for one in wrong if _key(one) not in accepted], detail)


def _key(licence: Licence) -> tuple[str, str]:
    return canonicalize_name(licence.owner.removeprefix(MODEL)), licence.version


def _said(licence: Licence) -> str:
    read_as = f" (read as {licence.expression})" if licence.written and licence.expression else ""
    owner = f"{licence.owner} {licence.version}".removesuffix(" *")
    return f"{owner}: {licence.written or licence.expression}{read_as}"


def _wheels(subject: Subject) -> Iterator[Licence]:
    for path in sorted(subject.image.tree):
        if path.startswith("/opt/venv/") and path.endswith(".dist-info/METADATA"):
            metadata = email.message_from_string(subject.image.text(path))
            folder = path.removesuffix("METADATA")
            files = [
                one
                for one in subject.image.tree
                if one.startswith(folder) and FILES.match(one[len(folder) :])
            ]
            expression, written = _declared(metadata, [subject.image.text(one) for one in sorted(files)])
            yield Licence(
                owner=str(metadata["Name"]),
                version=str(metadata["Version"]),
                expression=expression,
                written=written,
            )


def _declared(metadata: "email.message.Message[str, str]", files: list[str]) -> tuple[str, str]:
    """Return a wheel's licence and how it was written: in its fields, its classifiers, its licence files."""
    modern, field = str(metadata["License-Expression"] or ""), str(metadata["License"] or "").strip()
    if modern:
        return named(modern) or modern, ""
    if found := read(field):
        return found, "" if found == field else _quoted("License", field)
    classifiers = [
        name
        for line in metadata.get_all("Classifier", [])
        if str(line).startswith("License ::") and (name := str(line).rpartition(" :: ")[2]) not in UNTOLD
    ]
    if classifiers and all(map(named, classifiers)):
        return " AND ".join(dict.fromkeys(map(named, classifiers))), _quoted(
            "Classifier", ", ".join(classifiers)
        )
    if files and all(map(of_text, files)):
        return " AND ".join(dict.fromkeys(map(of_text, files))), "its licence file"
    parts = [_quoted("License", field)] if field else []
    parts += [_quoted("Classifier", ", ".join(classifiers))] if classifiers else []
    parts += [f"{len(files)} licence files of no known text" if files else "no licence file"]
    return "", "; ".join(parts)


def _quoted(where: str, text: str) -> str:
    first = text.strip().partition("\n")[0]
    return f"{where} {first[:80]!r}"


def _models(subject: Subject) -> Iterator[Licence]:
    for name in subject.facts.models:
        # A model in the hub's own layout has no record; the lock it is compared with has one.
        text = subject.image.text(f"/models/{name}/provenance.json")
        record = json.loads(text) if text else subject.models_lock.get("models", {}).get(name, {})
        written = str(record.get("licence", ""))
        yield Licence(
            owner=f"{MODEL}{name}", version="*", expression=read(written), written=written or "none named"
        )


def _debian(subject: Subject, allowed: set[str]) -> list[Licence]:
    """Return what Debian packages bring that the list must name: AGPL, SSPL, what is not free."""
    image, wrong = subject.image, []
    versions = subject.debian_versions
    for path in sorted(image.tree):
        if path.startswith("/var/lib/dpkg/status"):
            for record in stanzas(image.text(path)):
                if section := NOT_FREE.match(record.get("Section", "")):
                    written = f"Debian's section {section[1]}"
                    wrong.append(_of_debian(record.get("Package", path), versions, written))
        match = re.match(r"^/usr/share/doc/([^/]+)/copyright$", path)
        strict = STRICT.search(image.text(path)) if match else None
        if match and strict and not any(name.startswith(strict[1].lower()) for name in allowed):
            wrong.append(_of_debian(match[1], versions, strict[0].removeprefix("License:").strip()))
    return wrong


def _of_debian(package: str, versions: dict[str, str], written: str) -> Licence:
    return Licence(owner=package, version=versions.get(package, ""), expression="", written=written)


PROMISES: Final = (
    Promise(
        "licences allowed",
        licences,
        "wheels and models under licences of the list, no AGPL, SSPL or non-free Debian package",
        "Use another package; or, after reading its licence, name the SPDX identifier in `licences` of "
        "[tool.wheelhouse], or accept this one in [[tool.wheelhouse.verify.accepted_licences]] of "
        "pyproject.toml with package, version and reason.",
    ),
)
