"""What an installer would make of `[project.scripts]`: programs on PATH, and metadata that names them."""

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
    """Return path -> text of the files that make the project's own programs start in the image.

    Programs whose module is in none of the service's packages are left out: they are not for the
    image. Without any program there is nothing, also no metadata.
    """
    inside = {package.rstrip("/").rpartition("/")[2].removesuffix(".py") for package in service.packages}
    chosen = {
        name: target.partition("[")[0].strip()
        for name, target in sorted(project.scripts.items())
        if target.partition(":")[0].partition(".")[0].strip() in inside
    }
    if not chosen:
        return {}
    info = f"{project.name.replace('-', '_')}-{project.version}.dist-info"
    points = "".join(f"{name} = {target}\n" for name, target in chosen.items())
    metadata = f"Metadata-Version: 2.1\nName: {project.name}\nVersion: {project.version}\n"
    return {
        **{f"bin/{name}": _program(target) for name, target in chosen.items()},
        f"{info}/METADATA": metadata,
        f"{info}/entry_points.txt": f"[console_scripts]\n{points}",
    }


def _program(target: str) -> str:
    module, _, attribute = (part.strip() for part in target.partition(":"))
    return PROGRAM.format(python=PYTHON, module=module, name=attribute.partition(".")[0], attribute=attribute)
