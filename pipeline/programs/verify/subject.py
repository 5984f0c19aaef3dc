"""What is held against what: the image, and what is known of how it was made."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lib.deb822 import stanzas

from verify.image import Entry, Image
from verify.verdict import CannotTellError, Observation

SLIM = "--base=slim keeps a normal Debian userland"
USERLAND = (
    "/var/cache/apt/",
    "/var/cache/debconf/",
    "/var/cache/ldconfig/",
    "/var/lib/apt/",
    "/var/lib/dpkg/",
)
"""What Debian's tools write whenever they install into a slim base."""
RUNTIME = ("/dev/",)
"""Made for a process that ran while the image was built; a running container has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the pipeline says of the image; every check compares the image with this."""

    base: str = "small"
    """small or slim."""
    cuda: bool = False
    """Whether it holds libraries that are opened only where a GPU is."""
    base_reference: str = ""
    """Base image that was resolved, `NAME@sha256:…`."""
    cuda_image: str = ""
    """Image of NVIDIA's that CUDA libraries were taken from; "" where wheels bring them."""
    labels: dict[str, str] = field(default_factory=dict)
    """Labels that the image must carry."""
    port: int | None = 8000
    """None: a worker, which serves nothing."""
    protocol: str = "http"
    """http, grpc, tcp or none."""
    shell: bool = False
    """Whether the service declares that it needs /bin/sh."""
    ready: str = "/health"
    """Path that answers 200 once requests can be served."""
    probe: dict[str, Any] = field(default_factory=dict)
    """The request of `[tool.wheelhouse.probe]`; {} for none."""
    epoch: int = 315532800
    """Latest time that a file may have, in seconds since 1970."""
    budget_mb: int | None = None
    """Largest sum of the files' sizes, in MB (10^6 bytes); None: not declared."""
    budget_compressed_mb: int | None = None
    """Largest sum of the zstd layers, in MB (10^6 bytes)."""
    budget_unopened_mb: int | None = None
    """Largest size of the files that nothing opens until the service is ready, in MB; None: not declared."""
    licences: tuple[str, ...] = ()
    """SPDX identifiers that may be in the image."""
    accepted_licences: tuple[dict[str, str], ...] = ()
    """Packages whose licence the service accepts: package, version, reason."""
    accepted_secrets: tuple[dict[str, str], ...] = ()
    """Findings in texts that the service accepts: path, kind, reason."""
    models: tuple[str, ...] = ()
    """Names of the models that the image must hold, and no others."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """An image, the facts, and the things that it was made from."""

    image: Image
    facts: Facts
    lock: str
    """Hash-pinned requirements of the variant."""
    wheels: Path
    """Folder of the wheel files that were installed."""
    models_lock: dict[str, Any]
    """models.lock, parsed; empty where the service has none."""
    compressed_bytes: int
    """Sum of the zstd layers."""
    canaries: tuple[bytes, ...] = ()
    """Values that must be nowhere in the image: the credentials that the build was given."""
    base_root: Path = Path("/")
    """Root of the base image: where this program runs."""

    @cached_property
    def debian_versions(self) -> dict[str, str]:
        """Return the version of each Debian package that the image records."""
        texts = [self.image.text(path) for path in self.image.tree if path.startswith("/var/lib/dpkg/status")]
        records = (record for text in texts for record in stanzas(text))
        return {one["Package"]: one.get("Version", "") for one in records if "Package" in one}

    def of_base(self, entry: Entry) -> bool:
        """Return whether the base has the same path, a file of that size there, or its tools wrote it."""
        if entry.path.startswith((*USERLAND, *RUNTIME)):
            return True
        place = self.base_root / entry.path.lstrip("/")
        if not os.path.lexists(place):
            return False
        return not entry.member.isreg() or place.lstat().st_size == entry.size

    def seen(self, wrong: Iterable[Entry], texts: Sequence[str] | None = None) -> Observation:
        """Return the offenders as what was seen; with --base=slim the base's own files are excused.

        Raises:
            CannotTellError: only files of the base itself offend, and the image stands on all of it.

        """
        entries = list(wrong)
        named = dict(zip([entry.path for entry in entries], texts or [e.path for e in entries], strict=True))
        if self.facts.base == "slim":
            own = [entry for entry in entries if not self.of_base(entry)]
            if entries and not own:
                raise CannotTellError(f"{SLIM}: {len(entries)} such files are the base's own")
            entries = own
        return Observation(sorted(named[entry.path] for entry in entries), f"{len(self.image.tree)} paths")
