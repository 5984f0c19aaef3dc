"""Start new lock files from the pins that a project has already, in the files of other tools.

    seed_locks.py PROJECT LOCK…

A LOCK that exists stays as it is. uv keeps the pins of its output file where they still fit.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([\w.+!]+)(?=[\s;\\]|$)", re.MULTILINE)


def main(project: Path, locks: list[str]) -> None:
    """Write each absent lock file, and say where its pins are from."""
    for name, pins in known_pins(project):
        absent = [lock for lock in locks if not (project / lock).exists()]
        for lock in absent if pins else ():
            (project / lock).write_text("".join(f"{pin}\n" for pin in pins))
            print(f"{lock}: keeps what still fits of {len(pins)} pins of {name}", file=sys.stderr)


def known_pins(project: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the pins `name==version` of each file of another tool, by the file's name."""
    for name in ("poetry.lock", "pdm.lock"):
        if (project / name).is_file():
            packages = tomllib.loads((project / name).read_text("utf-8")).get("package", [])
            yield name, [f"{one['name']}=={one['version']}" for one in packages if "version" in one]
    if (project / "Pipfile.lock").is_file():
        packages = json.loads((project / "Pipfile.lock").read_text("utf-8")).get("default", {})
        pins = {package: str(entry.get("version", "")) for package, entry in packages.items()}
        yield "Pipfile.lock", [f"{package}{pin}" for package, pin in pins.items() if pin.startswith("==")]
    for path in sorted(project.glob("*requirements*.txt")):
        pins_here = PIN.findall(path.read_text("utf-8", errors="replace"))
        yield path.name, [f"{package}=={version}" for package, version in pins_here]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
