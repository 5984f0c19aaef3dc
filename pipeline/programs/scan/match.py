"""Match Python components with advisories; several advisories of one vulnerability are one finding."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name

from scan.advisories import Advisories
from scan.facts import Component, Finding
from scan.severity import severity
from scan.versions import Verdict, judge


@dataclass(frozen=True, slots=True)
class Hit:
    """One advisory that counts a component as affected."""

    record: dict[str, Any]
    verdict: Verdict

    @property
    def ids(self) -> set[str]:
        """Return the advisory's own id and its aliases."""
        return {self.record["id"], *map(str, self.record.get("aliases") or [])}


def match(components: Iterable[Component], advisories: Advisories) -> list[Finding]:
    """Return the findings of Python components, each vulnerability once per component."""
    return [
        _finding(component, group)
        for component in components
        if component.ecosystem == "pypi"
        for group in _merged(_hits(component, advisories))
    ]


def _hits(component: Component, advisories: Advisories) -> list[Hit]:
    entries = advisories.by_name.get(canonicalize_name(component.name), [])
    judged = (Hit(record, judge(component.version, affected)) for record, affected in entries)
    return [hit for hit in judged if hit.verdict.affected]


def _merged(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Return the hits in groups that share an id, directly or through others."""
    groups: list[tuple[set[str], list[Hit]]] = []
    for hit in hits:
        ids, members = set(hit.ids), [hit]
        apart: list[tuple[set[str], list[Hit]]] = []
        for group in groups:
            if group[0] & ids:
                ids |= group[0]
                members = [*group[1], *members]
            else:
                apart.append(group)
        groups = [*apart, (ids, members)]
    return [members for _, members in groups]


def _finding(component: Component, hits: Sequence[Hit]) -> Finding:
    ids = set().union(*(hit.ids for hit in hits))
    name = min(ids, key=_rank)
    grave = severity(hit.record for hit in hits)
    # One advisory that could be judged settles it for all that tell of the same vulnerability.
    doubts = [hit.verdict.unjudgeable for hit in hits]
    fixes = [hit.verdict.fixed for hit in hits if hit.verdict.fixed]
    summaries = [str(hit.record.get("summary") or hit.record.get("details") or "") for hit in hits]
    return Finding(
        id=name,
        aliases=tuple(sorted(ids - {name})),
        advisories=tuple(sorted({hit.record["id"] for hit in hits})),
        component=component.name,
        version=component.version,
        purl=component.purl,
        severity=grave.rating,
        score=grave.score,
        vector=grave.vector,
        fixed=fixes[0] if fixes else (),
        unjudgeable=doubts[0] if all(doubts) else "",
        summary=_first_line(max(summaries, key=len) if not summaries[0] else summaries[0]),
    )


def _rank(name: str) -> tuple[int, str]:
    order = ("CVE-", "PYSEC-", "GHSA-")
    return next((place for place, prefix in enumerate(order) if name.startswith(prefix)), len(order)), name


def _first_line(text: str) -> str:
    line = next((line.strip(" #") for line in text.splitlines() if line.strip(" #")), "")
    return line if len(line) <= 160 else f"{line[:159]}…"  # noqa: PLR2004 - one line of a table
