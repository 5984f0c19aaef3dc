"""Decide whether a model's licence allows shipping it in an image."""

import re
from typing import Final

from models.errors import ModelError

ALLOWED: Final = frozenset(
    {
        "0bsd",
        "apache-2.0",
        "bsd-2-clause",
        "bsd-3-clause",
        "cc-by-4.0",
        "cc0-1.0",
        "isc",
        "mit",
        "mpl-2.0",
        "unlicense",
    }
)
"""SPDX identifiers in lower case, as model hubs write them."""
FRONT_MATTER: Final = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
LICENCE_LINE: Final = re.compile(r"""^license:\s*["']?([A-Za-z0-9][A-Za-z0-9.+-]*)["']?\s*$""", re.MULTILINE)
UNKNOWN: Final = "unknown"


def licence_of(readme: str) -> str:
    """Return the licence in a model card's front matter, "unknown" without one."""
    front = FRONT_MATTER.match(readme)
    line = LICENCE_LINE.search(front[1]) if front else None
    return line[1].lower() if line else UNKNOWN


def require_licence(model: str, licence: str, also: frozenset[str] = frozenset()) -> None:
    """Stop when a model's licence is not on the allow-list.

    Raises:
        ModelError: names the model and its licence.

    """
    if licence.lower() in ALLOWED | {name.lower() for name in also}:
        return
    hint = 'Declare it with licence = "<SPDX id>"' if licence == UNKNOWN else "Use another model"
    raise ModelError(
        f"model {model}: licence {licence!r} is not on the allow-list ({', '.join(sorted(ALLOWED))}). "
        f'{hint}, or allow it after reading it: licences = ["{licence}"] in [tool.wheelhouse].'
    )
