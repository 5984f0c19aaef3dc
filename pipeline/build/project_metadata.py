"""What an installer would make of a project: metadata for importlib.metadata, and its programs on PATH."""

import re
from typing import Final

from pipeline.config import ProjectTable, ServiceConfig

PYTHON: Final = "/opt/venv/bin/python"
"""Interpreter of the programs; images.VENV, which this room must not ask."""
PROGRAM: Final = """\
#!{python}
import sys
from {module} import {name}
sys.exit({attribute}())
"""


def script_files(project: ProjectTable, service: ServiceConfig) -> dict[str, str]:
    """Return path -> text of the project's metadata and of the programs that start its functions.

    Programs and other entry points whose module is in none of the service's packages are left out: they
    are not for the image.
    """
    inside = {package.rstrip("/").rpartition("/")[2].removesuffix(".py") for package in service.packages}

    def chosen(targets: dict[str, str]) -> dict[str, str]:
        """Return the entry points whose module is in the image, without their extras."""
        bare = {name: target.partition("[")[0].strip() for name, target in sorted(targets.items())}
        return {
            name: target for name, target in bare.items() if re.split(r"[.:]", target)[0].strip() in inside
        }

    scripts = chosen(project.scripts)
    groups = {"console_scripts": scripts}
    groups |= {group: chosen(targets) for group, targets in sorted(project.entry_points.items())}
    points = "\n".join(
        "".join([f"[{group}]\n", *(f"{name} = {target}\n" for name, target in targets.items())])
        for group, targets in groups.items()
        if targets
    )
    info = f"{re.sub('[-_.]+', '_', project.name)}-{project.version}.dist-info"
    return {
        **{f"bin/{name}": _program(target) for name, target in scripts.items()},
        f"{info}/METADATA": _metadata(project),
        **({f"{info}/entry_points.txt": points} if points else {}),
    }


def _metadata(project: ProjectTable) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {project.name}", f"Version: {project.version}"]
    lines += [f"Summary: {' '.join(project.description.split())}"] if project.description else []
    lines += [f"Requires-Dist: {line}" for line in project.dependencies]
    return "".join(f"{line}\n" for line in lines)


def _program(target: str) -> str:
    module, _, attribute = (part.strip() for part in target.partition(":"))
    return PROGRAM.format(python=PYTHON, module=module, name=attribute.partition(".")[0], attribute=attribute)
