"""The positive control: known-bad components that every scan must find, or it is blind."""

from typing import Final

from scan.advisories import Advisories
from scan.facts import Component
from scan.match import match

CONTROLS: Final = {
    ("jinja2", "2.10"): "CVE-2019-10906",
    ("pyyaml", "5.3"): "CVE-2020-1747",
    ("urllib3", "1.26.0"): "CVE-2021-33503",
}
"""Old vulnerabilities of packages that every PyPI data set knows. Source: PyPA advisory database."""


def control(advisories: Advisories) -> tuple[str, tuple[str, ...]]:
    """Return the controls that were found, as text, and those that were not."""
    components = [Component(name, version, f"pkg:pypi/{name}@{version}") for name, version in CONTROLS]
    found = {(finding.component, id_) for finding in match(components, advisories) for id_ in finding.ids}
    met = [f"{name} {version}: {id_}" for (name, version), id_ in CONTROLS.items() if (name, id_) in found]
    missing = [
        f"{name} {version}: {id_}" for (name, version), id_ in CONTROLS.items() if (name, id_) not in found
    ]
    return ", ".join(met), tuple(missing)
