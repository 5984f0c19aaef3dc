"""What the readers of a project's files return: values, each with the place that it comes from."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """One value of the new configuration and the reason for it."""

    key: str
    """Dotted key of pyproject.toml; "" for a remark."""
    value: Any = None
    place: str = ""
    """`FILE:LINE` that decided."""
    why: str

    @property
    def reason(self) -> str:
        """Return the place and the reason, as a comment of the key has it."""
        return f"{self.place}: {self.why}" if self.place else self.why

    @property
    def line(self) -> str:
        """Return the guess as a line of the report."""
        return f"{self.key}: {self.reason}" if self.key else self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An application object in the code."""

    kind: str
    """Framework, in lower case."""
    module: str
    """Dotted module as it is imported in the image."""
    name: str
    """Name of the object, or of the function that returns it."""
    factory: bool = False
    path: str
    line: int

    @property
    def place(self) -> str:
        """Return `FILE:LINE`."""
        return f"{self.path}:{self.line}"


@dataclass(slots=True, kw_only=True)
class Project:
    """`[project]` and what belongs to it, from whatever tool keeps it."""

    name: str = ""
    version: str = ""
    description: str = ""
    requires_python: str = ""
    dependencies: list[str] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)
    """Requirements of the tests."""
    tables: dict[str, Any] = field(default_factory=dict)
    """Further keys of [project], as they are written."""
    indexes: list[str] = field(default_factory=list)
    """URLs of further package indexes."""
    guesses: list[Guess] = field(default_factory=list)
    complete: bool = False
    """Whether pyproject.toml has [project] already."""


@dataclass(slots=True, kw_only=True)
class Copied:
    """A COPY or ADD of the last stage."""

    source: str
    target: str
    """Absolute path in the image; ends with "/" where it is a folder."""
    place: str


@dataclass(slots=True, kw_only=True)
class Recipe:
    """What a Dockerfile, a Procfile or the like says about the image."""

    base: str = ""
    python: str = ""
    python_place: str = ""
    workdir: str = "/"
    command: list[str] = field(default_factory=list)
    command_place: str = ""
    shell: bool = False
    """Whether the command needs a shell."""
    port: int | None = None
    port_place: str = ""
    health: str = ""
    health_place: str = ""
    env: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name -> value, place."""
    copies: list[Copied] = field(default_factory=list)
    runtime_packages: dict[str, str] = field(default_factory=dict)
    """Debian package -> place."""
    build_packages: dict[str, str] = field(default_factory=dict)
    requirements: dict[str, str] = field(default_factory=dict)
    """Requirement that pip installs by name -> place."""
    remarks: list[Guess] = field(default_factory=list)
