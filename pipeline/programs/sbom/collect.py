"""Join everything that is known about an image into one bill."""

from dataclasses import dataclass, field
from pathlib import Path

from lib.requirement_lock import locked_pins
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sbom.debian import debian_packages, os_release
from sbom.facts import Bill, Component
from sbom.owners import owners
from sbom.places import Owned, base_image, interpreter, model_components, service, written_files
from sbom.tree import Tree
from sbom.wheels import compiled_wheels, installed_wheels, wheel_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What is known besides the image's files."""

    labels: dict[str, str] = field(default_factory=dict)
    """Labels of the image."""
    base: str = ""
    """Reference of the base image with its digest."""
    requirements: tuple[str, ...] = ()
    """Requirement lines that the service declares for this variant."""
    lock: str = ""
    """Hash-pinned requirements, one per line."""
    epoch: int = 0


def collect(tree: Tree, texts: Texts, wheels: Path | None = None) -> Bill:
    """Return the bill of an image.

    Raises:
        UnlistedImageError: package records or dist-info folders are absent.
        SwappedWheelError: a wheel is not one that the lock allows.
        FactsError: a record cannot be read.

    """
    debian = debian_packages(tree)
    distributions = installed_wheels(tree)
    # Reversed: where the base has a distribution too, the environment's is the one that is imported.
    purls = {one.name: one.purl for one in reversed(distributions)}
    files = wheel_files(wheels, locked_hashes(texts.lock))
    compiled = compiled_wheels(wheels)
    packages = [(one.component(tree), one.claimed) for one in debian]
    packages += [(one.component(purls, files, compiled), one.claimed) for one in distributions]
    claims = {path: component.ref for component, claimed in reversed(packages) for path in claimed}
    itself = service(texts.labels, _declared(texts.requirements, purls))
    owned = [itself, *model_components(tree), *filter(None, [interpreter(tree)]), written_files()]
    belongs = owners(tree, claims, owned)
    listed = [*(component for component, _ in packages), *(one.component for one in owned[1:])]
    listed += [one for one in (_system(tree), base_image(texts.base)) if one]
    return Bill(
        service=_with_models(itself, owned),
        components=tuple(one for _, one in sorted({one.ref: one for one in reversed(listed)}.items())),
        rootfs_sha256=tree.digest,
        files=len(tree.foundation),
        unowned=tuple(path for path, owner in belongs.items() if not owner),
        epoch=texts.epoch,
    )


def locked_hashes(lock: str) -> dict[str, set[str]]:
    """Return normalised name -> sha256 of every file that a requirement text allows."""
    allowed: dict[str, set[str]] = {}
    for pin in locked_pins(lock):
        allowed.setdefault(pin.name, set()).update(pin.hashes)
    return allowed


def _declared(requirements: tuple[str, ...], purls: dict[str, str]) -> tuple[str, ...]:
    names = {canonicalize_name(Requirement(line).name) for line in requirements}
    return tuple(sorted(purls[name] for name in names if name in purls))


def _with_models(itself: Owned, owned: list[Owned]) -> Component:
    """Return the service with its models among what it needs."""
    models = [one.component.ref for one in owned if one.component.kind == "machine-learning-model"]
    one = itself.component
    return Component(
        kind=one.kind,
        name=one.name,
        version=one.version,
        purl=one.purl,
        licences=one.licences,
        properties=one.properties,
        needs=tuple(sorted({*one.needs, *models})),
    )


def _system(tree: Tree) -> Component | None:
    release = os_release(tree)
    if not release:
        return None
    version = release.get("DEBIAN_VERSION_FULL") or release.get("VERSION_ID", "unknown")
    return Component(kind="operating-system", name=release.get("ID", "linux"), version=version)
