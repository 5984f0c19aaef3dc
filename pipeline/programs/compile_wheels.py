"""Compile the pins that have no wheel for this Python again: pip's cache of earlier builds is not asked.

A build that only works because an older one left its wheel behind would fail on the next machine.

compile_wheels.py FILE DIR BUILDS    build a wheel of every pin of FILE, hashes checked, into DIR

BUILDS is JSON: name -> `env` and `config_settings` of a distribution that is compiled in any case.

DIR/built.txt lists them: the lock has the hashes of their sources, none of their own. Exit status 1
when one cannot be built: it is named, with what the index has where that is only wheels for others.
"""

import json
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
BUILD = ("wheel", "--quiet", "--no-cache-dir", "--no-deps", "--require-hashes")
SKIPPED = re.compile(r"Skipping link: (?P<reason>.+?)(?: \(run pip[^)]*\))?: \S*/(?P<file>[^/\s#]+)")
"""What pip, asked to be verbose, says of a file of the index that it does not take."""
SOURCE = "No sources permitted"
"""How the reason begins where the file is a source and wheels were asked for."""


def main() -> int:
    """Return 1 when a wheel could not be built."""
    sources, out, tables = sys.argv[1:]
    builds = json.loads(Path(tables).read_text())
    Path(out).mkdir(parents=True, exist_ok=True)
    pins = Path(sources).read_text().splitlines()
    failures = [explain(pin) for pin in pins if not build(pin, out, builds)]
    built = sorted(path.name for path in Path(out).glob("*.whl"))
    Path(out, "built.txt").write_text("".join(f"{name}\n" for name in built))
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


def build(pin: str, out: str, builds: dict[str, dict[str, dict[str, str]]]) -> bool:
    """Build the wheel of one pin; return whether that worked. What pip says goes to stderr."""
    name = pin.partition("==")[0]
    own = builds.get(name, {})
    # pip passes settings of its command line only to what the command line names.
    settings = own.get("config_settings", {}).items()
    line = " ".join([pin, *(f"--config-settings={shlex.quote('='.join(item))}" for item in settings)])
    options = ["--no-binary", name] if name in builds else []
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirement:
        requirement.write(f"{line}\n")
        requirement.flush()
        command = [*PIP, *BUILD, *options, "--requirement", requirement.name, "--wheel-dir", out]
        variables = {**environment(), **own.get("env", {})}
        return subprocess.run(command, check=False, env=variables).returncode == 0


def environment() -> dict[str, str]:
    """Return the environment of a build that gives the same bytes again.

    Debug information holds pip's build folder, another one each time; images drop it anyway.
    """
    flags = {name: f"{os.environ.get(name, '')} -g0".strip() for name in ("CFLAGS", "CXXFLAGS")}
    return {**os.environ, **flags, "PYTHONHASHSEED": "0"}


def explain(pin: str) -> str:
    """Return one line: why there is no wheel of a pin."""
    name = pin.split(maxsplit=1)[0]
    python = ".".join(platform.python_version_tuple()[:2])
    skipped = files_of_index(name)
    if not skipped:
        return (
            f"{name}: no file of this version on {indexes()}; expected a wheel or a source there. Name the "
            "index that has it in [[tool.uv.index]] of pyproject.toml, or with --index-url."
        )
    if not any(reason.startswith(SOURCE) for reason in skipped.values()):
        found = ", ".join(f"{file} ({reason})" for file, reason in sorted(skipped.items())[:4])
        return (
            f"{name}: no wheel for Python {python} on {platform.machine()} and no source; found {found}. "
            "Pin a version that has one, or set `python` in [tool.wheelhouse] to one that it is for."
        )
    return (
        f"{name}: its source does not compile, for the reason above; expected a wheel. Add the Debian "
        "packages that it is compiled against to build_packages, or pin a version that has a wheel."
    )


def indexes() -> str:
    """Return the indexes that were asked, without credentials."""
    more = os.environ.get("PIP_EXTRA_INDEX_URL", "").split()
    asked = [os.environ.get("PIP_INDEX_URL") or "the default index", *more]
    return " and ".join(re.sub(r"//[^/@]+@", "//", address) for address in asked)


def files_of_index(name: str) -> dict[str, str]:
    """Return the files of one `NAME==VERSION` that pip does not take as a wheel -> why not."""
    with tempfile.TemporaryDirectory() as folder:
        look = [*PIP, "download", "-vv", "--no-deps", "--only-binary=:all:", "--dest", folder, name]
        said = subprocess.run(look, check=False, capture_output=True, text=True).stdout
    version = re.escape(name.partition("==")[2])
    return {
        match["file"]: match["reason"]
        for match in SKIPPED.finditer(said)
        if re.search(rf"-{version}(-|\.tar|\.zip)", match["file"])
    }


if __name__ == "__main__":
    sys.exit(main())
