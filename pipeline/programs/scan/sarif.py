"""Write findings as SARIF 2.1.0, the form that code hosts show."""

from typing import Any, Final

from scan.facts import Finding, Result
from scan.gate import Decision

LEVELS: Final = {"unknown": "error", "critical": "error", "high": "error", "medium": "warning"}
SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(result: Result, decision: Decision, location: str) -> dict[str, Any]:
    """Return the SARIF log.

    Args:
        result: the scan.
        decision: the gate's; ignored findings are suppressed, not dropped.
        location: file that the findings are shown at: the lock, as the repository names it.

    """
    ignored = {id(finding): ignore for finding, ignore in decision.ignored}
    rules = {finding.id: _rule(finding) for finding in result.findings}
    results = []
    for finding in result.findings:
        entry = _result(finding, location)
        if ignore := ignored.get(id(finding)):
            entry["suppressions"] = [{"kind": "external", "justification": ignore.reason}]
        results.append(entry)
    failures = [
        {"level": "error", "message": {"text": line}}
        for line in (*(one.reason for one in result.coverage if one.reason), *result.problems)
    ]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "wheelhouse-scan", "version": "1", "rules": list(rules.values())}
                },
                "invocations": [
                    {
                        "executionSuccessful": all(one.status == "scanned" for one in result.coverage),
                        "toolExecutionNotifications": failures,
                    }
                ],
                "results": results,
            }
        ],
    }


def _rule(finding: Finding) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": finding.id,
        "shortDescription": {"text": finding.summary or finding.id},
        "help": {
            "text": f"{finding.summary or finding.id}\nAlso known as: {', '.join(finding.aliases) or '-'}"
        },
    }
    if finding.score is not None:
        rule["properties"] = {"security-severity": f"{finding.score:.1f}"}
    return rule


def _result(finding: Finding, location: str) -> dict[str, Any]:
    fix = f"update to {finding.fixed[0]}" if finding.fixed else "no fix is known"
    doubt = f" Unjudgeable: {finding.unjudgeable}." if finding.unjudgeable else ""
    text = (
        f"{finding.component} {finding.version}: {finding.id}, {fix}; required by {finding.requirer}.{doubt}"
    )
    return {
        "ruleId": finding.id,
        "level": LEVELS.get(finding.severity, "note"),
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": location}}}],
        "partialFingerprints": {"vulnerability/v1": f"{finding.purl}#{finding.id}"},
    }
