"""Tell SPDX identifiers from the names that packages give their licences."""

import re
from typing import Any, Final

KNOWN: Final = frozenset(
    {
        "0BSD",
        "AFL-2.1",
        "AGPL-3.0-only",
        "AGPL-3.0-or-later",
        "Apache-2.0",
        "Artistic-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "bzip2-1.0.6",
        "CC0-1.0",
        "CC-BY-4.0",
        "CDLA-Permissive-2.0",
        "curl",
        "EPL-2.0",
        "GPL-2.0-only",
        "GPL-2.0-or-later",
        "GPL-3.0-only",
        "GPL-3.0-or-later",
        "ISC",
        "LGPL-2.1-only",
        "LGPL-2.1-or-later",
        "LGPL-3.0-only",
        "LGPL-3.0-or-later",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "MulanPSL-2.0",
        "NCSA",
        "OFL-1.1",
        "OpenSSL",
        "PSF-2.0",
        "Python-2.0",
        "Python-2.0.1",
        "Unicode-3.0",
        "Unlicense",
        "UPL-1.0",
        "WTFPL",
        "X11",
        "ZPL-2.1",
        "Zlib",
        "zlib-acknowledgement",
    }
)
"""Identifiers that are written as such; others stay names. Source: the common part of SPDX's list."""
BY_LOWER: Final = {name.lower(): name for name in KNOWN}
WORDS: Final = re.compile(r"[\s()]+")
EXCEPTIONS: Final = frozenset({"LLVM-exception", "GCC-exception-3.1", "Classpath-exception-2.0"})


def expression(text: str) -> str:
    """Return the text as an SPDX expression, "" when a word of it is not a known identifier."""
    normal = " ".join(text.replace("/", " OR ").split())
    words = [word for word in WORDS.split(normal) if word]
    for word in words:
        known = word in EXCEPTIONS or word in ("AND", "OR", "WITH") or word.lower() in BY_LOWER
        if not known:
            return ""
    for word in set(words) - EXCEPTIONS:
        normal = re.sub(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])", BY_LOWER.get(word.lower(), word), normal)
    return normal


def choice(licences: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return CycloneDX's `licenses`: one expression, or a list of identifiers and names."""
    if len(licences) == 1 and " " in (one := expression(licences[0])):
        return [{"expression": one}]
    return [{"license": _license(text)} for text in licences]


def _license(text: str) -> dict[str, str]:
    single = BY_LOWER.get(text.lower())
    return {"id": single} if single else {"name": text}


def joined(licences: tuple[str, ...]) -> str:
    """Return the licences as one SPDX expression, NOASSERTION where one has no identifier."""
    expressions = [expression(text) for text in licences]
    if not expressions or not all(expressions):
        return "NOASSERTION"
    if len(expressions) == 1:
        return expressions[0]
    return " AND ".join(f"({one})" if " " in one else one for one in expressions)
