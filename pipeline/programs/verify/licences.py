"""Promise about licences: every one in the image is on the service's list."""

import email
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from license_expression import ExpressionError, LicenseWithExceptionSymbol, Licensing

from verify.subject import Subject
from verify.verdict import CannotTellError, Promise, Seen

LICENSING: Final = Licensing()
SHORT: Final = 64
"""Longer License fields hold the licence's whole text, not its name."""
NAMES: Final = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "gnu lesser general public license v3 or later (lgplv3+)": "LGPL-3.0-or-later",
    "gnu affero general public license v3": "AGPL-3.0-only",
    "nvidia proprietary software": "LicenseRef-NVIDIA-Proprietary",
    "licenseref-nvidia-proprietary": "LicenseRef-NVIDIA-Proprietary",
    "other/proprietary license": "LicenseRef-Proprietary",
}
"""What packages write instead of an SPDX identifier, in lower case. Source: trove classifiers."""
NOT_FREE: Final = re.compile(r"^Section: (non-free|contrib)", re.MULTILINE)
STRICT: Final = re.compile(r"^License:.*\b(AGPL|SSPL)[\w.+-]*", re.MULTILINE)


def licences(subject: Subject) -> Seen:
    """Look at the licences of wheels and models, and for what Debian packages must not bring."""
    allowed = {name.lower() for name in subject.facts.licences}
    if not allowed:
        raise CannotTellError("no list of licences was given")
    named = [*_wheels(subject), *_models(subject)]
    wrong = [
        f"{owner}: {text or 'no licence named'}" for owner, text in named if not permitted(text, allowed)
    ]
    return Seen([*wrong, *_debian(subject, allowed)], f"{len(named)} wheels and models")


def permitted(expression: str, allowed: set[str]) -> bool:
    """Return whether an SPDX expression can be met by allowed licences, given in lower case."""
    try:
        terms = LICENSING.parse(NAMES.get(expression.lower(), expression))
    except ExpressionError:
        return False
    return terms is not None and _met(terms, allowed)


def _met(terms: Any, allowed: set[str]) -> bool:
    if isinstance(terms, LICENSING.OR):
        return any(_met(term, allowed) for term in terms.args)
    if isinstance(terms, LICENSING.AND):
        return all(_met(term, allowed) for term in terms.args)
    # An exception only adds permissions.
    licence = terms.license_symbol if isinstance(terms, LicenseWithExceptionSymbol) else terms
    return NAMES.get(licence.key.lower(), licence.key).lower() in allowed


def _wheels(subject: Subject) -> Iterator[tuple[str, str]]:
    for path in sorted(subject.image.tree):
        if path.startswith("/opt/venv/") and path.endswith(".dist-info/METADATA"):
            metadata = email.message_from_string(subject.image.text(path))
            yield str(metadata["Name"]), _declared(metadata)


def _declared(metadata: "email.message.Message[str, str]") -> str:
    short = str(metadata["License"] or "").strip()
    classifiers = [str(line).rpartition(" :: ")[2] for line in metadata.get_all("Classifier", [])]
    classified = [name for name in classifiers if name.lower() in NAMES]
    if metadata["License-Expression"]:
        return str(metadata["License-Expression"])
    if short and len(short) <= SHORT and "\n" not in short:
        return short
    return " AND ".join(NAMES[name.lower()] for name in classified)


def _models(subject: Subject) -> Iterator[tuple[str, str]]:
    for name in subject.facts.models:
        # A model in the hub's own layout has no record beside it; the lock it is held against has one.
        text = subject.image.text(f"/models/{name}/provenance.json")
        record = json.loads(text) if text else subject.models_lock.get("models", {}).get(name, {})
        yield f"model {name}", str(record.get("licence", ""))


def _debian(subject: Subject, allowed: set[str]) -> list[str]:
    """Return what Debian packages bring that the list must name: AGPL, SSPL, what is not free."""
    image, wrong = subject.image, []
    for path in sorted(image.tree):
        if path.startswith("/var/lib/dpkg/status") and NOT_FREE.search(image.text(path)):
            wrong.append(f"{path}: of Debian's section non-free or contrib")
        match = re.match(r"^/usr/share/doc/([^/]+)/copyright$", path)
        strict = STRICT.search(image.text(path)) if match else None
        if match and strict and not any(name.startswith(strict[1].lower()) for name in allowed):
            wrong.append(f"{match[1]}: {strict[0].removeprefix('License:').strip()}")
    return wrong


PROMISES: Final = (
    Promise(
        "licences allowed",
        licences,
        "wheels and models under licences of the list, no AGPL, SSPL or non-free Debian package",
        "Use another package, or name the licence in `licences` of [tool.wheelhouse] after reading it.",
    ),
)
