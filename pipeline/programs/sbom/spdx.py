"""Write a bill as SPDX 2.3 JSON, the same bytes every time."""

import json
import re
from collections.abc import Iterator
from hashlib import sha1, sha256
from typing import Any, Final

from sbom.cyclonedx import content_uuid, moment
from sbom.facts import Bill, Component, FileHash
from sbom.licences import joined

PURPOSES: Final = {
    "application": "APPLICATION",
    "container": "CONTAINER",
    "data": "OTHER",
    "library": "LIBRARY",
    "machine-learning-model": "OTHER",
    "operating-system": "OPERATING-SYSTEM",
    "platform": "FRAMEWORK",
}
"""CycloneDX component type -> SPDX primaryPackagePurpose."""


def spdx(bill: Bill) -> str:
    """Return the document; its namespace is a UUIDv5 of everything else in it."""
    everything = (bill.service, *bill.components)
    parts = [(part, owner) for owner in everything for part in owner.parts]
    known = {one.ref for one in everything}
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{bill.service.name}-{bill.service.version}",
        "creationInfo": {"created": moment(bill.epoch), "creators": ["Tool: wheelhouse-sbom-1"]},
        "comment": _comment(bill),
        "packages": [
            *(_package(one, one.ref) for one in everything),
            *(_package(part, f"{owner.ref}#{part.ref}") for part, owner in parts),
        ],
        "files": [_file(file) for one in everything for file in _model_files(one)],
        "relationships": [
            _relation("SPDXRef-DOCUMENT", "DESCRIBES", _id(bill.service.ref)),
            *(_relation(_id(bill.service.ref), "CONTAINS", _id(one.ref)) for one in bill.components),
            *(_relation(_id(owner.ref), "CONTAINS", _id(f"{owner.ref}#{part.ref}")) for part, owner in parts),
            *(edge for one in everything for edge in _edges(one, known)),
        ],
    }
    name = content_uuid(json.dumps(document, sort_keys=True))
    return json.dumps({**document, "documentNamespace": f"urn:uuid:{name}"}, indent=1, sort_keys=True) + "\n"


def _comment(bill: Bill) -> str:
    return (
        f"rootfs sha256 {bill.rootfs_sha256}; {bill.files} files, {len(bill.unowned)} of no component"
        + "".join(f"; {path}" for path in bill.unowned)
    )


def _package(one: Component, ref: str) -> dict[str, Any]:
    package: dict[str, Any] = {
        "SPDXID": _id(ref),
        "name": one.name,
        "versionInfo": one.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": joined(one.licences),
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": PURPOSES[one.kind],
    }
    if one.licences and package["licenseDeclared"] == "NOASSERTION":
        package["licenseComments"] = "; ".join(one.licences)
    if files := _model_files(one):
        package["filesAnalyzed"] = True
        package["packageVerificationCode"] = {"packageVerificationCodeValue": _verification_code(files)}
    elif one.files:
        package["packageFileName"] = one.files[0].path
        package["checksums"] = [{"algorithm": "SHA256", "checksumValue": one.files[0].sha256}]
    if one.purl:
        package["externalRefs"] = [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": one.purl,
            }
        ]
    return package


def _verification_code(files: tuple[FileHash, ...]) -> str:
    """Return the digest that SPDX 2.3 §7.9 defines: SHA-1 of the files' sorted SHA-1 values."""
    return sha1("".join(sorted(file.sha1 for file in files)).encode(), usedforsecurity=False).hexdigest()


def _file(file: FileHash) -> dict[str, Any]:
    return {
        "SPDXID": _id(file.path),
        "fileName": f".{file.path}",
        "checksums": [
            {"algorithm": "SHA1", "checksumValue": file.sha1},
            {"algorithm": "SHA256", "checksumValue": file.sha256},
        ],
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    }


def _edges(one: Component, known: set[str]) -> Iterator[dict[str, str]]:
    for file in _model_files(one):
        yield _relation(_id(one.ref), "CONTAINS", _id(file.path))
    for need in one.needs:
        if need in known:
            yield _relation(_id(one.ref), "DEPENDS_ON", _id(need))


def _model_files(one: Component) -> tuple[FileHash, ...]:
    return one.files if one.kind == "machine-learning-model" else ()


def _relation(subject: str, kind: str, related: str) -> dict[str, str]:
    return {"spdxElementId": subject, "relationshipType": kind, "relatedSpdxElement": related}


def _id(ref: str) -> str:
    """Return an identifier of the allowed letters; a hash keeps different references different."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", ref)[:60].strip("-.")
    return f"SPDXRef-{readable}-{sha256(ref.encode()).hexdigest()[:12]}"
