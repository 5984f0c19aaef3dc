"""Licences as people write them, read as SPDX expressions."""

import re
import tempfile
from typing import Any, Final

from identify.identify import license_id  # type: ignore[import-not-found]
from license_expression import ExpressionError, get_spdx_licensing

LICENSING: Final = get_spdx_licensing()
SHORT: Final = 120
"""Longer texts are the licence itself, not its name."""
NOISE: Final = re.compile(r"\b(the|license|licence|licensed|software|see|under)\b|[\"'()\[\],:;]")
VERSION: Final = r" ?-?(?:version )?v?"
TABLE: Final = (
    (rf"(?:apache|asl|apache (?:2|foundation))(?:{VERSION}2(?:\.0)?)?", "Apache-2.0"),
    (rf"apache{VERSION}2(?:\.0)?(?: apache.*)?", "Apache-2.0"),
    (r"https? //www\.apache\.org/licenses/ ?-2\.0(?:\.txt|\.html)?", "Apache-2.0"),
    (r"https? //(?:www\.)?opensource\.org/licenses?/mit", "MIT"),
    (r"(?:mit|expat|x11|mit mit|mit/x11|mit expat)", "MIT"),
    (r"mit-?cmu|hpnd|historical permission notice and disclaimer hpnd", "HPND"),
    (r"mit no attribution mit-0|mit-0", "MIT-0"),
    (r"(?:modified |new |revised |simplified 3-clause )?bsd", "BSD-3-Clause"),
    (
        r"(?:new |modified |revised )?bsd[- ]?3(?:[- ]clause)?|3[- ]clause bsd|bsd-3-clause-new",
        "BSD-3-Clause",
    ),
    (
        r"(?:simplified |freebsd )?bsd[- ]?2(?:[- ]clause)?|2[- ]clause bsd|simplified bsd|freebsd",
        "BSD-2-Clause",
    ),
    (r"0bsd|zero-clause bsd 0bsd|bsd zero clause", "0BSD"),
    (r"isc(?: iscl)?", "ISC"),
    (rf"(?:mozilla public|mpl){VERSION}2(?:\.0)?(?: mpl 2\.0)?|mozilla public 2\.0 mpl 2\.0", "MPL-2.0"),
    (rf"(?:mozilla public|mpl){VERSION}1\.1(?: mpl 1\.1)?", "MPL-1.1"),
    (r"(?:python foundation|psf|psfl|python)(?:[- ]2(?:\.0)?)?", "PSF-2.0"),
    (r"unlicense(?: unlicense)?", "Unlicense"),
    (r"zlib(?:/libpng)?|zlib libpng", "Zlib"),
    (r"zpl(?: ?2\.1)?|zope public(?: 2\.1)?", "ZPL-2.1"),
    (r"boost(?: 1\.0)?(?: bsl-1\.0)?|bsl-1\.0", "BSL-1.0"),
    (r"cc0(?: 1\.0(?: universal)?)?(?: cc0 1\.0)?(?: public domain dedication)?", "CC0-1.0"),
    (r"public[- ]domain", "LicenseRef-Public-Domain"),
    (r"postgresql", "PostgreSQL"),
    (r"wtfpl", "WTFPL"),
    (r"artistic[- ]2(?:\.0)?", "Artistic-2.0"),
    (r"eclipse public(?: ?-?v?2\.0)?(?: epl-2\.0)?|epl ?2(?:\.0)?", "EPL-2.0"),
    (r"sil open font 1\.1(?: ofl-1\.1)?|ofl(?: ?1\.1)?", "OFL-1.1"),
    (r"nvidia proprietary|nvidia|licenseref-nvidia-proprietary", "LicenseRef-NVIDIA-Proprietary"),
    (r"other/proprietary|proprietary", "LicenseRef-Proprietary"),
)
"""Patterns over a name in lower case without NOISE, and what each means. Source: trove classifiers and the
`License` fields of the packages that services use most."""
GNU: Final = re.compile(
    r"^(?:gnu )?(?P<kind>lesser general public|library or lesser general public|library general public"
    r"|affero general public|general public|lgpl|agpl|gpl)(?: (?:lgpl|agpl|gpl))?"
    rf"(?P<version>{VERSION}(?P<number>[23](?:\.[01])?))?(?P<later>\+| or later| or newer)?"
    r"(?: (?:lgpl|agpl|gpl)v?(?:[23](?:\.[01])?)?(?P<again>\+)?)?(?P<exception> with exceptions)?$"
)
"""The GNU licences, in the words of classifiers and of people."""
COMMA: Final = re.compile(r",?\s+version", re.IGNORECASE)
SPLIT: Final = re.compile(r"\s*(?:\bor\b|/|\band\b|,|;|&|\+ )\s*", re.IGNORECASE)


def named(text: str) -> str:
    """Return a name or an expression as an SPDX expression, "" where it cannot be read."""
    text = " ".join(text.split())
    if not text:
        return ""
    if found := _expression(text) or _alias(text):
        return found
    text = COMMA.sub(" version", text)
    parts = [part for part in SPLIT.split(text) if part]
    found_parts = [_expression(part) or _alias(part) for part in parts]
    if len(parts) < 2 or not all(found_parts):  # noqa: PLR2004 - one part was read above
        return ""
    alternative = all(between.strip().lower() in {"or", "/"} for between in SPLIT.findall(text))
    return (" OR " if alternative else " AND ").join(dict.fromkeys(found_parts))


def of_text(text: str) -> str:
    """Return the SPDX identifier of a licence's whole text, "" where it is none of the known ones."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        return license_id(file.name) or ""


def read(text: str) -> str:
    """Return the SPDX expression of what somebody wrote into a licence field: a name, or a whole text."""
    text = text.strip()
    return named(text) if len(text) <= SHORT and "\n" not in text else of_text(text)


def permitted(expression: str, allowed: set[str]) -> bool:
    """Return whether an SPDX expression can be met by allowed licences, given in lower case."""
    try:
        terms = LICENSING.parse(expression)
    except ExpressionError:
        return False
    return terms is not None and _met(terms, allowed)


def _met(terms: Any, allowed: set[str]) -> bool:
    if isinstance(terms, LICENSING.OR):
        return any(_met(term, allowed) for term in terms.args)
    if isinstance(terms, LICENSING.AND):
        return all(_met(term, allowed) for term in terms.args)
    # An exception only adds permissions: what is allowed without one is allowed with it.
    with_exception = getattr(terms, "license_symbol", None)
    return str(terms).lower() in allowed or bool(with_exception and str(with_exception).lower() in allowed)


def _expression(text: str) -> str:
    """Return an expression of identifiers that SPDX knows or that a table row means."""
    try:
        terms = LICENSING.parse(text, simple=False)
    except ExpressionError:
        return ""
    if terms is None:
        return ""
    unknown = [key for key in LICENSING.unknown_license_keys(terms) if not _is_reference(key)]
    found = str(terms)
    for key in unknown:
        meant = _alias(key)
        if not meant:
            return ""
        found = re.sub(rf"(?<![\w.-]){re.escape(key)}(?![\w.-])", meant, found)
    return found


def _is_reference(key: str) -> bool:
    return key.startswith(("LicenseRef-", "DocumentRef-"))


def _alias(text: str) -> str:
    """Return what one name means, "" for none of the table."""
    known = " ".join(NOISE.sub(" ", text.lower()).split())
    if match := GNU.match(known):
        return _gnu(match)
    return next((spdx for pattern, spdx in TABLE if re.fullmatch(pattern, known)), "")


def _gnu(match: re.Match[str]) -> str:
    """Return the identifier of a GNU licence; one without a version may be taken in any version."""
    kind = match["kind"]
    name = "AGPL" if kind[0] == "a" else "LGPL" if kind.startswith(("l", "library")) else "GPL"
    number = match["number"]
    if number is None:
        lowest = {"AGPL": "3.0", "LGPL": "2.0", "GPL": "1.0"}[name]
        return f"{name}-{lowest}-or-later"
    number = number if "." in number else f"{number}.0"
    later = match["later"] or match["again"]
    return f"{name}-{number}-{'or-later' if later else 'only'}"
