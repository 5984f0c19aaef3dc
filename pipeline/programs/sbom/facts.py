"""The values that a software list is made of, before any format."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FileHash:
    """One file of a component."""

    path: str
    """Absolute path in the image, or the file's name for what is not in the image."""
    sha256: str
    sha1: str = ""
    """Only where SPDX asks for it: files of models."""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Facts about a model that its own files state."""

    producer: str = ""
    description: str = ""
    references: tuple[str, ...] = ()
    """Addresses that it can be had from."""
    task: str = ""
    family: str = ""
    """Architecture family: bert."""
    architecture: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One thing that the image consists of."""

    kind: str
    """CycloneDX component type: library, application, operating-system, machine-learning-model, …"""
    name: str
    version: str
    purl: str = ""
    """Package URL; what advisories are matched by."""
    licences: tuple[str, ...] = ()
    """SPDX expressions or the names that the package uses."""
    files: tuple[FileHash, ...] = ()
    """Files that are listed one by one: those of models, and wheel files."""
    properties: tuple[tuple[str, str], ...] = ()
    parts: tuple["Component", ...] = ()
    """What the component says it holds itself, e.g. crates linked into a wheel."""
    needs: tuple[str, ...] = ()
    """References of other components that it requires."""
    card: ModelCard | None = None
    """Of a model; None for everything else."""

    @property
    def ref(self) -> str:
        """Return the name by which other components point at this one."""
        return self.purl or f"{self.kind}:{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Everything that one image consists of."""

    service: Component
    components: tuple[Component, ...]
    """Sorted by reference."""
    rootfs_sha256: str
    """Digest of the paths and contents other than the service's own code: binds the list to the image."""
    files: int
    """Files and links other than the service's own code."""
    unowned: tuple[str, ...] = ()
    """Paths that belong to no component, sorted."""
    epoch: int = field(default=0)
    """SOURCE_DATE_EPOCH: seconds since 1970."""

    @property
    def owned_share(self) -> float:
        """Return the share of files that belong to a component, 0 to 1."""
        return 1 - len(self.unowned) / self.files if self.files else 0.0
