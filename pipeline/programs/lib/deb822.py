"""Stanzas of Debian's control files: /var/lib/dpkg/status and the records of status.d."""

from collections.abc import Iterator


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each stanza; further lines of a field are kept with their newlines."""
    for stanza in text.split("\n\n"):
        if found := fields(stanza):
            yield found


def fields(stanza: str) -> dict[str, str]:
    """Return the fields of one stanza."""
    found: dict[str, str] = {}
    key = ""
    for line in stanza.splitlines():
        if line[:1] in (" ", "\t"):
            found[key] = f"{found.get(key, '')}\n{line}"
        elif ":" in line:
            key, _, value = line.partition(":")
            found[key] = value.strip()
    return found


def is_installed(stanza: dict[str, str]) -> bool:
    """Return whether a stanza of /var/lib/dpkg/status is of an installed package."""
    return stanza.get("Status", "").endswith(" installed")
