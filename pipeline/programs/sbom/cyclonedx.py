"""Write a bill as CycloneDX 1.6 JSON, the same bytes every time."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from sbom.cards import as_cyclonedx
from sbom.facts import Bill, Component, FileHash
from sbom.licences import choice

TOOL: Final = {"type": "application", "name": "wheelhouse-sbom", "version": "1"}


def cyclonedx(bill: Bill) -> str:
    """Return the document; its serial number is a UUIDv5 of everything else in it."""
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": moment(bill.epoch),
            "tools": {"components": [TOOL]},
            "component": _component(bill.service),
            "properties": _properties(_binding(bill)),
        },
        "components": [_component(one) for one in bill.components],
        "dependencies": [_edges(one) for one in (bill.service, *bill.components)],
    }
    return _text({**document, "serialNumber": f"urn:uuid:{content_uuid(_text(document))}"})


def moment(epoch: int) -> str:
    """Return seconds since 1970 as an ISO 8601 time in UTC."""
    return datetime.fromtimestamp(epoch, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def content_uuid(text: str) -> uuid.UUID:
    """Return the UUIDv5 of a text's sha256 in the URL namespace."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"urn:sha256:{sha256(text.encode()).hexdigest()}")


def _binding(bill: Bill) -> list[tuple[str, str]]:
    """Return what binds the list to the image, and what it leaves open."""
    counted = [
        ("wheelhouse:rootfs-sha256", bill.rootfs_sha256),
        ("wheelhouse:files", str(bill.files)),
        ("wheelhouse:files-unowned", str(len(bill.unowned))),
    ]
    return [*counted, *(("wheelhouse:unowned", path) for path in bill.unowned)]


def _component(one: Component, inside: str = "") -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": one.kind,
        "bom-ref": f"{inside}#{one.ref}" if inside else one.ref,
        "name": one.name,
        "version": one.version,
    }
    if one.kind != "machine-learning-model" and one.files:
        entry["hashes"] = [_hash(one.files[0])]
        entry["properties"] = _properties([("wheelhouse:wheel", one.files[0].path), *one.properties])
    elif one.properties:
        entry["properties"] = _properties(one.properties)
    if one.licences:
        entry["licenses"] = choice(one.licences)
    if one.purl:
        entry["purl"] = one.purl
    if one.card:
        entry |= as_cyclonedx(one.card)
    if parts := [*_files(one), *(_component(part, one.ref) for part in one.parts)]:
        entry["components"] = parts
    return entry


def _files(one: Component) -> Iterator[dict[str, Any]]:
    for file in one.files if one.kind == "machine-learning-model" else ():
        yield {
            "type": "file",
            "bom-ref": f"{one.ref}#{file.path}",
            "name": file.path,
            "hashes": [_hash(file)],
            "properties": _properties([("wheelhouse:size-bytes", str(file.size_bytes))]),
        }


def _hash(file: FileHash) -> dict[str, str]:
    return {"alg": "SHA-256", "content": file.sha256}


def _properties(pairs: Any) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _edges(one: Component) -> dict[str, Any]:
    return {"ref": one.ref, **({"dependsOn": list(one.needs)} if one.needs else {})}


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
