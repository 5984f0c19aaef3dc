"""Stage 7 of 8: the address of OSV's bucket in, its advisories of today out.

The records are fetched by a container whose command names the day, so that both engines keep them for that
day and fetch nothing in between. `dag.http` would ask once a session and load the bucket's files again each
time that they changed there, which is hourly.
"""

from dataclasses import dataclass
from typing import Final

import dagger

from pipeline.build.models import FETCH_PACKAGES
from pipeline.containers import Builder, with_packages

BUCKET: Final = "https://osv-vulnerabilities.storage.googleapis.com"
"""OSV's public bucket. Source: OSV's documentation, data dumps."""
ECOSYSTEMS: Final = ("PyPI", "Debian")
NEAR: Final = "advisories"
"""Name of a mirror that only the caller's machine reaches, where records are fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """OSV's bucket, or a mirror of it."""

    url: str = ""
    """Base URL of a mirror; "" for the public bucket."""
    server: dagger.Service | None = None
    """A mirror that only the caller's machine reaches; addresses on loopback mean it."""

    async def fetched(self, builder: Builder, day: str) -> dagger.Directory:
        """Return one zip for each ecosystem as it was on a day.

        Raises:
            dagger.ExecError: the bucket cannot be reached or refuses; the last line on stderr says why.

        """
        container = with_packages(builder, FETCH_PACKAGES, "models", "scan")
        if self.server:
            container = container.with_service_binding(NEAR, self.server)
            container = container.with_env_variable("WHEELHOUSE_NEAR", NEAR)
        fetch = ["python3", "-m", "scan.fetch", "--url", self.url or BUCKET, "--out", "/out", *ECOSYSTEMS]
        fetching = container.with_env_variable("WHEELHOUSE_DAY", day).with_exec(fetch)
        return await fetching.directory("/out").sync()
