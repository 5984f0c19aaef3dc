"""What is compared, from the archives of both images and from what building and starting them showed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from layers.archive import Image, layer_sizes, packed_sizes, read_image
from layers.packages import counts
from layers.waste import Merged, merge

MB: Final = 1e6
BUILT: Final = "not measured: built from the cache (--cold=false)"


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the comparison; less is better in every one."""

    key: str
    label: str
    unit: str
    """`MB` (10^6 bytes), `kB` (10^3), `s`, or "" for a count."""
    naive: float | None
    ours: float | None
    reason: str = ""
    """Why a value is missing."""
    spread: str = ""
    """Smallest and largest of several runs, of both images."""

    @property
    def ratio(self) -> float | None:
        """Return how many times less ours is; None without two numbers above zero."""
        return self.naive / self.ours if self.naive is not None and self.ours else None


@dataclass(frozen=True, slots=True)
class Measured:
    """One image as its archives show it."""

    image: Image
    merged: Merged
    packed: list[int]
    pushed: int
    """Bytes of layers, configuration and manifest that an edit of one module makes new."""
    layers_pushed: int

    @classmethod
    def read(cls, folder: Path) -> "Measured":
        """Return what image.tar and edited.tar of a folder say, both with zstd layers."""
        image = read_image(folder / "image.tar")
        before, after = layer_sizes(folder / "image.tar"), layer_sizes(folder / "edited.tar")
        new = {digest: size for digest, size in after.items() if digest not in before}
        layers = {layer for layer in new if layer in set(layer_digests(folder / "edited.tar"))}
        return cls(image, merge(image), packed_sizes(folder / "image.tar"), sum(new.values()), len(layers))


def layer_digests(path: Path) -> list[str]:
    """Return the digests of an archive's layers: all but manifest and configuration."""
    return list(layer_sizes(path))[2:]


def measures(facts: dict[str, Any], naive: Measured, ours: Measured) -> list[Measure]:
    """Return every line, in the order of the table."""
    pair = (naive, ours)
    return [
        _counted("raw", "image, uncompressed", "MB", pair, lambda one: one.image.raw_bytes / MB),
        _counted("packed", "image, zstd (a cold pull)", "MB", pair, lambda one: sum(one.packed) / MB),
        *_contents(pair),
        _counted("wasted", "shipped for nothing", "MB", pair, _wasted_mb),
        _vulnerabilities(facts["vulnerabilities"]),
        _seconds(facts, "cold", "build from nothing", BUILT),
        _seconds(facts, "warm", "build again, no change"),
        _seconds(facts, "edit", "build after an edited line"),
        _counted("pushed", "pushed after that edit", "kB", pair, lambda one: one.pushed / 1e3),
        _started(facts, "ready_s", "start to ready", "s", 1),
        _started(facts, "embedding_s", "start to first embedding", "s", 1),
        _started(facts, "peak_bytes", "peak memory after it", "MB", MB),
    ]


def _counted(
    key: str, label: str, unit: str, pair: tuple[Measured, Measured], of: Callable[[Measured], float]
) -> Measure:
    return Measure(key, label, unit, of(pair[0]), of(pair[1]))


def _contents(pair: tuple[Measured, Measured]) -> list[Measure]:
    naive, ours = (counts(one.image, one.merged) for one in pair)
    labels = {"os_packages": "OS packages", "python_packages": "Python packages", "files": "files"}
    return [Measure(key, label, "", naive[key], ours[key]) for key, label in labels.items()]


def _wasted_mb(one: Measured) -> float:
    return sum(waste.size_bytes for waste in one.merged.waste) / MB


def _vulnerabilities(found: dict[str, Any]) -> Measure:
    return Measure(
        "vulnerabilities", "known vulnerabilities", "", found.get("naive"), found.get("ours"), found["reason"]
    )


def _seconds(facts: dict[str, Any], key: str, label: str, reason: str = "") -> Measure:
    naive, ours = (facts["seconds"][side][key] for side in ("naive", "ours"))
    return Measure(f"build_{key}", label, "s", naive, ours, reason if naive is None else "")


def _started(facts: dict[str, Any], key: str, label: str, unit: str, scale: float) -> Measure:
    values: list[float | None] = []
    spreads: list[str] = []
    reasons: list[str] = []
    for side in ("naive", "ours"):
        found = facts["starts"][side]
        runs = [run[key] / scale for run in found["starts"] if key in run]
        values.append(median(runs) if runs and not found["failure"] else None)
        if found["failure"]:
            reasons.append(f"{side} did not start: {found['failure']}")
        elif not runs:
            reasons.append("not measured: the variant has no model")
        else:
            spreads.append(f"{side} {min(runs):.4g} to {max(runs):.4g} in {len(runs)} starts")
    naive, ours = values
    return Measure(key, label, unit, naive, ours, "; ".join(dict.fromkeys(reasons)), ", ".join(spreads))
