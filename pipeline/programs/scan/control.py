"""The positive control: known-bad components that every scan must find, or it is blind.

`python3 -m scan.control BILL OUT` writes what a scanner of others is given: the list with one of them added.
"""

import json
import sys
from pathlib import Path
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
ADDED: Final = ("pyyaml", "5.3", "CVE-2020-1747")
"""Added to the list that another scanner reads, never part of the image; must be among its matches."""


def control(advisories: Advisories) -> tuple[str, tuple[str, ...]]:
    """Return the controls that were found, as text, and those that were not."""
    components = [Component(name, version, f"pkg:pypi/{name}@{version}") for name, version in CONTROLS]
    found = {(finding.component, id_) for finding in match(components, advisories) for id_ in finding.ids}
    met = [f"{name} {version}: {id_}" for (name, version), id_ in CONTROLS.items() if (name, id_) in found]
    missing = [
        f"{name} {version}: {id_}" for (name, version), id_ in CONTROLS.items() if (name, id_) not in found
    ]
    return ", ".join(met), tuple(missing)


def main() -> int:
    """Write the list with the known-bad component."""
    bill = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    name, version, _ = ADDED
    entry = {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}"}
    bill["components"].append({**entry, "bom-ref": "wheelhouse:control"})
    Path(sys.argv[2]).write_text(json.dumps(bill), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
