"""Write findings as OpenVEX 0.2.0: what is affected, what is accepted and why."""

import json
import uuid
from hashlib import sha256
from typing import Any, Final

from scan.facts import Finding, Result
from scan.gate import Decision
from scan.policy import Ignore

CONTEXT: Final = "https://openvex.dev/ns/v0.2.0"


def openvex(result: Result, decision: Decision) -> dict[str, Any]:
    """Return the VEX document; its id is a UUIDv5 of its statements."""
    ignored = {id(finding): ignore for finding, ignore in decision.ignored}
    statements = [_statement(finding, ignored.get(id(finding))) for finding in result.findings]
    content = json.dumps([result.serial, result.checked_at, statements], sort_keys=True)
    digest = sha256(content.encode()).hexdigest()
    return {
        "@context": CONTEXT,
        "@id": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'urn:sha256:{digest}')}",
        "author": "wheelhouse-scan",
        "timestamp": result.checked_at,
        "version": 1,
        "statements": statements,
    }


def _statement(finding: Finding, ignore: Ignore | None) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "vulnerability": {"name": finding.id, "aliases": list(finding.aliases)},
        "products": [{"@id": finding.purl}],
    }
    if ignore and ignore.justification:
        impact = f"Accepted until {ignore.until}: {ignore.reason}"
        return {
            **statement,
            "status": "not_affected",
            "justification": ignore.justification,
            "impact_statement": impact,
        }
    if ignore:
        action = f"Accepted until {ignore.until}: {ignore.reason}"
        return {**statement, "status": "affected", "action_statement": action}
    if finding.unjudgeable:
        return {**statement, "status": "under_investigation", "status_notes": finding.unjudgeable}
    action = f"Update {finding.component} to {finding.fixed[0]}." if finding.fixed else "No fix is known."
    return {**statement, "status": "affected", "action_statement": action}
