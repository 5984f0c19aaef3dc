"""The values of a scan: components, findings, what was covered."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

SEVERITIES: Final = ("none", "low", "medium", "high", "critical")
"""From mild to grave. A finding without any rating is "unknown" and counts as grave."""


Status = Literal["scanned", "unscanned", "failed"]
"""unscanned: there was nothing to judge by; failed: what there was cannot be trusted."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component of the software list, as far as advisories need it."""

    name: str
    version: str
    purl: str
    source: str = ""
    """Debian: name of the source package."""
    source_version: str = ""
    """Debian: version of the source package, where it differs."""

    @property
    def ecosystem(self) -> str:
        """Return the type of the package URL: pypi, deb, cargo, …; "" for none."""
        return self.purl.removeprefix("pkg:").partition("/")[0] if self.purl else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One vulnerability of one component, whatever number of advisories tell of it."""

    id: str
    """CVE id where there is one, else PYSEC, else the first advisory's."""
    aliases: tuple[str, ...]
    """Every other id of the same vulnerability, sorted."""
    advisories: tuple[str, ...]
    """Ids of the records that matched, sorted."""
    component: str
    version: str
    purl: str
    severity: str = "unknown"
    """none, low, medium, high, critical or unknown."""
    score: float | None = None
    """CVSS base score, 0 to 10."""
    vector: str = ""
    fixed: tuple[str, ...] = ()
    """Versions that repair it, lowest first."""
    unjudgeable: str = ""
    """Why it cannot be told whether this version is affected; "" when it is told."""
    summary: str = ""
    requirer: str = ""
    """How the component comes in: "fastapi > starlette"."""
    found_by: str = "osv"

    @property
    def unfixed(self) -> bool:
        """Return whether this is a Debian package that no update of its release repairs."""
        return self.purl.startswith("pkg:deb/") and not self.fixed and not self.unjudgeable

    @property
    def ids(self) -> frozenset[str]:
        """Return every id of the vulnerability."""
        return frozenset({self.id, *self.aliases, *self.advisories})

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Source:
    """One source of knowledge about a part of the image."""

    name: str
    judged: int
    """Packages that it could judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Extent of one part of the scan: packages, data, controls."""

    part: str
    """python or debian."""
    status: Status
    reason: str = ""
    """Why it is unscanned or failed."""
    sources: tuple[Source, ...] = ()
    tool: str = ""
    records: int = 0
    """Advisories or changelogs read."""
    newest: str = ""
    """Time of the newest record, ISO 8601."""
    age_days: float | None = None
    scanned: int = 0
    expected: int = 0
    absent: tuple[str, ...] = ()
    """What was expected and could not be judged at all."""
    control: str = ""
    """The known-bad components that were found in the same run."""
    control_missing: tuple[str, ...] = ()
    """Known-bad components that were not found: the scan is blind then."""

    def to_json(self) -> dict[str, Any]:
        """Return the coverage as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything that a scan found, before the gate."""

    serial: str
    """Serial number of the software list."""
    checked_at: str
    coverage: tuple[Coverage, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = field(default=())
    """What a reader should know and no gate decides."""
    problems: tuple[str, ...] = field(default=())
    """What is wrong with the software list itself; the gate fails on each."""


def gravity(finding: Finding) -> float:
    """Return a sort key: unknown above all, then by score."""
    if finding.severity == "unknown":
        return 11.0
    return finding.score if finding.score is not None else 2.5 * SEVERITIES.index(finding.severity)
