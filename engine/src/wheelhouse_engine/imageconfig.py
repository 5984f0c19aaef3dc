"""Hold what an image says about itself, apart from its layers.

Storage is asked for layers only: buildah drops HEALTHCHECK from OCI images,
so the engine keeps the configuration in its own value and writes it itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from wheelhouse_engine.errors import EngineError

Document = dict[str, Any]
"""A JSON object as `json` reads and writes it."""

MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x"}
"""`uname -m` to the architecture names that images use."""


class ImageError(EngineError):
    """Say what of an image cannot be read or written."""


@dataclass(frozen=True, slots=True)
class ExposedPort:
    """Name a port that the container listens on."""

    port: int
    protocol: Literal["tcp", "udp"] = "tcp"
    description: str = ""
    """Kept by the engine only; no image format has a place for it."""
    skip_healthcheck: bool = False
    """Kept by the engine only: do not wait for this port."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `8000/tcp`; a bare number is TCP; ImageError names anything else."""
        number, _, protocol = text.partition("/")
        if not number.isdecimal() or protocol not in ("", "tcp", "udp"):
            raise ImageError(f"exposed port {text!r}: expected NUMBER/tcp or NUMBER/udp")
        return cls(int(number), "udp" if protocol == "udp" else "tcp")

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """Hold an image's configuration; None and empty mean "not set"."""

    env: tuple[str, ...] = ()
    """`NAME=value`, in order, each name once."""
    user: str = ""
    workdir: str = ""
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[ExposedPort, ...] = ()
    healthcheck: Mapping[str, Any] | None = None
    """Docker's form: `{"Test": ["CMD", …], "Interval": nanoseconds, …}`."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Written to the manifest, not to the configuration."""
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    shell: tuple[str, ...] = ()
    architecture: str = "amd64"
    os: str = "linux"
    variant: str = ""
    """CPU variant such as `v8`; most images have none."""

    @property
    def platform(self) -> str:
        """Return `os/architecture[/variant]`."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def document(self) -> Document:
        """Return the `config` object of an image configuration, unset keys left out."""
        return _without_empty(
            {
                "User": self.user,
                "ExposedPorts": {str(port): {} for port in sorted(self.exposed_ports, key=str)},
                "Env": list(self.env),
                "Entrypoint": _list_or_none(self.entrypoint),
                "Cmd": _list_or_none(self.cmd),
                "Healthcheck": dict(self.healthcheck) if self.healthcheck else None,
                "Volumes": {path: {} for path in sorted(self.volumes)},
                "WorkingDir": self.workdir,
                "Labels": dict(sorted(self.labels.items())),
                "StopSignal": self.stop_signal,
                "Shell": list(self.shell),
            }
        )

    @classmethod
    def parse(cls, image: Mapping[str, Any], annotations: Mapping[str, str] | None = None) -> Self:
        """Read an image configuration, OCI or Docker; ImageError names a malformed part."""
        config = image.get("config") or {}
        if not isinstance(config, dict):
            raise ImageError(f"image configuration: `config` is {type(config).__name__}, expected an object")
        return cls(
            env=_strings(config, "Env") or (),
            user=str(config.get("User") or ""),
            workdir=str(config.get("WorkingDir") or ""),
            entrypoint=_strings(config, "Entrypoint"),
            cmd=_strings(config, "Cmd"),
            labels=dict(config.get("Labels") or {}),
            exposed_ports=tuple(ExposedPort.parse(port) for port in sorted(config.get("ExposedPorts") or {})),
            healthcheck=config.get("Healthcheck") or None,
            annotations=dict(annotations or {}),
            volumes=tuple(sorted(config.get("Volumes") or {})),
            stop_signal=str(config.get("StopSignal") or ""),
            shell=_strings(config, "Shell") or (),
            architecture=str(image.get("architecture") or "amd64"),
            os=str(image.get("os") or "linux"),
            variant=str(image.get("variant") or ""),
        )


def _list_or_none(words: Sequence[str] | None) -> list[str] | None:
    return None if words is None else list(words)


def _without_empty(document: Document) -> Document:
    return {key: value for key, value in document.items() if value}


def _strings(config: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    value = config.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ImageError(f"image configuration: `{key}` is {value!r}, expected a list of strings")
    return tuple(value)
