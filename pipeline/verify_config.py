"""`[tool.wheelhouse.verify]`: what a service accepts about its image, each with the reason."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pipeline.scan_config import Reason

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Part = Literal["confinement", "gpu", "tests"]
"""What an engine or a service may be unable to run."""

LICENCES: Final = (
    *("0BSD", "Apache-2.0", "BlueOak-1.0.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "bzip2-1.0.6"),
    *("CC0-1.0", "CNRI-Python", "curl", "FTL", "HPND", "IJG", "ISC", "libpng-2.0", "MIT", "MIT-0", "MIT-CMU"),
    *("MPL-1.1", "MPL-2.0", "NCSA", "OFL-1.1", "OpenSSL", "PostgreSQL", "PSF-2.0", "Python-2.0"),
    *(
        "Python-2.0.1",
        "TCL",
        "Unicode-3.0",
        "Unicode-DFS-2016",
        "Unlicense",
        "WTFPL",
        "X11",
        "Zlib",
        "ZPL-2.1",
    ),
    *("LGPL-2.0-only", "LGPL-2.0-or-later", "LGPL-2.1-only", "LGPL-2.1-or-later"),
    *("LGPL-3.0-only", "LGPL-3.0-or-later", "LicenseRef-Public-Domain"),
    # The run-time libraries of GCC: whoever uses the compiler may ship them under any terms.
    *("GPL-2.0-or-later WITH GCC-exception-2.0", "GPL-3.0-only WITH GCC-exception-3.1"),
    *("GPL-3.0-or-later WITH GCC-exception-3.1",),
)
"""SPDX identifiers allowed in every image: those that ask for no more than notices or own sources."""


class AcceptedLicence(BaseModel):
    """The licence of one version of a package, accepted after reading it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: Text
    """Name of the wheel, the Debian package or the model."""
    version: Text
    """The version that was read; another one fails again. `*` for a model."""
    reason: Reason
    """What its licence asks for, and why that is met."""


class AcceptedSecret(BaseModel):
    """A line that looks like a secret and is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, StringConstraints(pattern=r"^(/|configuration$)")]
    """Path in the image, `*` crosses folders; `configuration` for environment, labels and history."""
    kind: Text
    """The kind of secret that the finding names, e.g. `Hex High Entropy String`."""
    reason: Reason
    """What the line is instead."""


ROWS: Final[dict[str, type[BaseModel]]] = {
    "accepted_licences": AcceptedLicence,
    "accepted_secrets": AcceptedSecret,
}
"""Keys of `[tool.wheelhouse.verify]` that hold tables."""


class ProbeConfig(BaseModel):
    """A request that the service answers without network, as any user, from a read-only root."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, StringConstraints(pattern=r"^/")]
    """Path that exercises what the service is for, e.g. `/v1/embeddings`."""
    method: Literal["", "GET", "POST", "PUT", "PATCH", "DELETE"] = ""
    """Method; `POST` with a `body`, else `GET`."""
    body: str | dict[str, Any] | list[Any] | None = None
    """What is sent: a text as it is, a table or list as JSON."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers of the request."""
    status: Annotated[int, Field(ge=100, lt=600)] = 200
    """Status that is expected."""
    contains: str = ""
    """Text that the answer has in it."""
    timeout: Annotated[int, Field(gt=0, le=600)] = 60
    """Seconds to wait for the answer."""


class VerifyConfig(BaseModel):
    """What `verify` and `test` accept; every default is the strict one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_skipped: dict[Part, Reason] = Field(default_factory=dict)
    """Parts that may stay unrun, each with the reason: `gpu` (the engine has no GPU), `confinement`
    (the engine grants no insecure root capabilities), `tests` (`tests` without requirements/test.txt)."""
    accepted_licences: tuple[AcceptedLicence, ...] = ()
    """Licences that are on no list, by package and version."""
    accepted_secrets: tuple[AcceptedSecret, ...] = ()
    """Lines of the service that look like secrets; keys of known form are never accepted."""
