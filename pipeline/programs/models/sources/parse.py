"""Read a source URI into the source that serves it."""

from collections.abc import Callable
from typing import Final

from models.errors import ModelError
from models.sources.artifact import Artifact
from models.sources.folder import ServiceFolder
from models.sources.hub import Hub
from models.sources.interface import Source
from models.sources.web import Web
from models.sources.wheel import Wheel

KINDS: Final[dict[str, Callable[[str], Source]]] = {
    "dir": ServiceFolder.parse,
    "hf": Hub.parse,
    "http": Web.parse,
    "https": Web.parse,
    "oci": Artifact.parse,
    "wheel": Wheel.parse,
}


def parse_source(uri: str) -> Source:
    """Return the source of a URI.

    Raises:
        ModelError: an unknown kind, or a form that does not pin what it names.

    """
    kind = uri.split("://", 1)[0]
    if kind not in KINDS or "://" not in uri:
        raise ModelError(
            f"{uri}: unknown source, expected one of {', '.join(f'{known}://' for known in sorted(KINDS))}"
        )
    return KINDS[kind](uri)
