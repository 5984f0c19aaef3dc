"""`[tool.wheelhouse.scan]`: how grave, how old, and what is accepted until when."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

AdvisoryId = Annotated[str, StringConstraints(pattern=r"^[A-Z]+-[A-Za-z0-9-]+$")]
PinnedImage = Annotated[str, StringConstraints(pattern=r"^$|@sha256:[0-9a-f]{64}$")]


class Ignored(BaseModel):
    """One finding that the service accepts for a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: AdvisoryId
    """Its CVE, PYSEC or GHSA id."""
    reason: Annotated[str, StringConstraints(min_length=10, strip_whitespace=True)]
    """Why it does no harm here, or why it must wait."""
    until: date
    """Last day on which it is accepted; after that it fails the scan."""


class ScanConfig(BaseModel):
    """What fails the scan; every default is the strict one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fail_on: Literal["low", "medium", "high", "critical", "never"] = "high"
    """Least severity that fails. A finding without any rating fails at every level but never."""
    max_age_days: Annotated[float, Field(gt=0)] = 7
    """Oldest advisory data that is evidence of anything."""
    ignores: tuple[Ignored, ...] = ()
    """Findings accepted for a time; an unused one warns."""
    allow_skipped: tuple[Literal["python", "debian"], ...] = ()
    """Parts that may stay unscanned, e.g. debian where no package mirror is in reach."""
    grype_image: PinnedImage = ""
    """Image of grype with its digest, used where no advisory data is given; "" for none."""

    @property
    def policy(self) -> str:
        """Return what the gate inside the container reads, as JSON."""
        return self.model_dump_json(exclude={"grype_image"})
