"""What a service accepts: how grave, how old, which findings it ignores until when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from scan.errors import PolicyError
from scan.facts import SEVERITIES

LEVELS: Final = (*SEVERITIES[1:], "never")


@dataclass(frozen=True, slots=True)
class Ignore:
    """One finding that the service accepts for a time."""

    id: str
    reason: str
    until: date
    """Last day on which it holds."""
    justification: str = ""
    """Why the image is not affected, in OpenVEX's words; "" where it is."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Permission to leave a part of the image unscanned."""

    reason: str
    until: date
    """Last day on which it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The gate's settings; every default fails closed."""

    fail_on: str = "high"
    """Least severity that fails; never: findings are shown and fail nothing."""
    max_age_days: float = 7
    """Oldest accepted advisory data. Source: security reference §1, grype fails at 5."""
    ignores: tuple[Ignore, ...] = ()
    allow_skipped: Mapping[str, Allowed] = field(default_factory=dict)
    """Parts (python, debian) that may stay unscanned without failing the gate."""
    fail_on_unfixed: bool = False
    """Whether vulnerabilities of Debian packages that no update fixes count as well."""
    min_owned_share: float = 0.995
    """Least share of the image's files that must belong to a component."""

    @classmethod
    def load(cls, path: Path) -> "Policy":
        """Return the policy in a JSON file.

        Raises:
            PolicyError: no JSON object, an unknown key, or a value that does not fit.

        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**_converted(values))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise PolicyError(
                f"{path.name}: {type(error).__name__}: {error}; expected the keys of [tool.wheelhouse.scan]."
            ) from error


def _converted(values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise TypeError(f"{type(values).__name__}, not an object")
    converted = dict(values)
    if converted.get("fail_on", "high") not in LEVELS:
        raise ValueError(f"fail_on = {converted['fail_on']!r}, one of {', '.join(LEVELS)}")
    ignores = converted.get("ignores", [])
    converted["ignores"] = tuple(
        Ignore(
            str(one["id"]),
            str(one["reason"]),
            date.fromisoformat(one["until"]),
            str(one.get("justification", "")),
        )
        for one in ignores
    )
    converted["allow_skipped"] = {
        str(part): Allowed(str(one["reason"]), date.fromisoformat(one["until"]))
        for part, one in converted.get("allow_skipped", {}).items()
    }
    return converted
