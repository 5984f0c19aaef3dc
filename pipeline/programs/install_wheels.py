"""Install a folder of wheels into a fresh virtual environment, offline, the same bytes every time.

    install_wheels.py --wheels DIR --layers DIR [--prune FILE [--keep RULE]…]
    install_wheels.py --wheels DIR --venv /opt/venv --target DIR

With --prune what no running service opens is dropped and reported to FILE. With --layers the environment
is also dealt to the layers of an image (layer_trees.py). With --target the wheels go into that folder
instead, for programs that run next to an image.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from bytecode import compile_tree
from layer_trees import write_layers
from packaging.utils import parse_wheel_filename
from prune import import_by, prune, write_report


def main() -> int:
    """Return uv's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--target", type=Path)
    parser.add_argument("--layers", type=Path)
    parser.add_argument("--prune", type=Path)
    parser.add_argument("--keep", action="append", default=[])
    parser.add_argument("--drop", action="append", default=[])
    options = parser.parse_args()
    python = options.venv / "bin" / "python"
    if not python.exists():
        create_environment(options.venv)
    place = ["--target", str(options.target)] if options.target else []
    names = [f"{name}=={version}" for name, version in _distributions(options.wheels)]
    if names:
        command = ["uv", "pip", "install", "--quiet", "--no-cache", "--python", str(python), *place]
        offline = ["--no-index", "--no-deps", "--find-links", str(options.wheels)]
        subprocess.run([*command, *offline, *names], check=True)
    site = next((options.venv / "lib").glob("python*/site-packages"))
    if options.prune:
        options.prune.parent.mkdir(parents=True, exist_ok=True)
        importer = import_by(python, Path(__file__).with_name("import_modules.py"), site)
        write_report(
            prune(options.venv, site, frozenset(options.keep), importer, frozenset(options.drop)),
            options.prune,
        )
    (options.venv / ".lock").unlink(missing_ok=True)  # uv's own, which everyone may write
    # Not fatal: wheels ship templates and files for other Python versions that do not compile.
    compile_tree(options.target or site)
    if options.layers:
        write_layers(options.venv, site, options.layers)
    return 0


def create_environment(venv: Path) -> None:
    """Create a virtual environment without pip and without scripts for shells that the image lacks."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    for script in [*(venv / "bin").glob("activate*"), *(venv / "bin").glob("Activate*")]:
        script.unlink()
    (venv / ".gitignore").unlink(missing_ok=True)


def _distributions(wheels: Path) -> list[tuple[str, str]]:
    parsed = (parse_wheel_filename(path.name) for path in sorted(wheels.glob("*.whl")))
    return [(str(name), str(version)) for name, version, _, _ in parsed]


if __name__ == "__main__":
    sys.exit(main())
