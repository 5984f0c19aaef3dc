"""`[tool.wheelhouse.scan]`: how grave, how old, and what is accepted until when."""

import enum
from datetime import date
from typing import Annotated, Literal

import dagger
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

AdvisoryId = Annotated[str, StringConstraints(pattern=r"^[A-Z]+-[A-Za-z0-9-]+$")]
PinnedImage = Annotated[str, StringConstraints(pattern=r"^$|@sha256:[0-9a-f]{64}$")]
Justification = Literal[
    "",
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
]
"""Source: OpenVEX 0.2.0, status justifications."""
Reason = Annotated[str, StringConstraints(min_length=10, strip_whitespace=True)]


@dagger.enum_type
class Scanner(enum.Enum):
    """Whose scanner is asked where no advisory data is given; its image is pinned in the configuration."""

    GRYPE = "grype"
    """grype, with its own database."""
    OSV = "osv"
    """osv-scanner, which asks osv.dev."""


class Ignored(BaseModel):
    """One finding that the service accepts for a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: AdvisoryId
    """Its CVE, PYSEC or GHSA id."""
    reason: Reason
    """Why it does no harm here, or why it must wait."""
    until: date
    """Last day on which it is accepted; after that it fails the scan."""
    justification: Justification = ""
    """Why the image is not affected, in OpenVEX's words; "" where it is, and the fix must wait."""


class Allowed(BaseModel):
    """Permission to leave a part of the image unscanned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason
    """Why it cannot be scanned, e.g. no network at this site."""
    until: date
    """Last day on which that is accepted; after that it fails the scan."""


class ScanConfig(BaseModel):
    """What fails the scan; every default is the strict one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fail_on: Literal["low", "medium", "high", "critical", "never"] = "high"
    """Least severity that fails. A finding without any rating fails at every level but never."""
    max_age_days: Annotated[float, Field(gt=0)] = 7
    """Oldest advisory data that is evidence of anything."""
    ignores: tuple[Ignored, ...] = ()
    """Findings accepted for a time; an unused one warns."""
    fail_on_unfixed: bool = False
    """Whether vulnerabilities of Debian packages that no update of the release fixes count too."""
    allow_skipped: dict[Literal["python", "debian"], Allowed] = Field(default_factory=dict)
    """Parts that may stay unscanned, each with a reason and a last day; the report calls them unscanned."""
    grype: PinnedImage = ""
    """Image of grype with its digest, which then judges the wheels instead of OSV's data; "" for none."""
    osv: PinnedImage = ""
    """Image of osv-scanner with its digest, used by --scanner=osv; "" for none."""

    def image(self, scanner: Scanner) -> str:
        """Return the image of a scanner with its digest; "" for none."""
        return self.grype if scanner is Scanner.GRYPE else self.osv

    @property
    def policy(self) -> str:
        """Return what the gate inside the container reads, as JSON."""
        return self.model_dump_json(exclude={"grype", "osv"})
