"""Read a Dockerfile: what its last stage starts, copies, installs and sets."""

import copy
import io
import json
import posixpath
import re
import shlex
from typing import Any, Final

from dockerfile_parse import DockerfileParser

from init.commands import simple_command, simple_words
from init.facts import Copied, Guess, Recipe
from init.requirement_lines import requirements_of

PYTHON: Final = re.compile(r"(?:^|/)(?:python|uv|tiangolo|uvicorn-gunicorn\S*)[^:]*:.*?(3\.\d+)")
ONLY_BUILD: Final = re.compile(
    r"-dev$|^(build-essential|gcc|g\+\+|make|cmake|clang|rustc|cargo|pkg-config|"
    r"python3-dev|ninja-build|gfortran|swig|patchelf)$"
)
NOT_NEEDED: Final = frozenset(
    {
        "apt-transport-https",
        "apt-utils",
        "bash",
        "ca-certificates",
        "curl",
        "dumb-init",
        "git",
        "gnupg",
        "htop",
        "less",
        "lsb-release",
        "nano",
        "procps",
        "software-properties-common",
        "sudo",
        "tini",
        "tzdata",
        "unzip",
        "vim",
        "wget",
        "python3",
        "python3-pip",
        "python3-venv",
        "pipx",
    }
)
"""Packages of images that are built or looked into with a shell."""
NOISE: Final = re.compile(
    r"^(PATH|PYTHONUNBUFFERED|PYTHONDONTWRITEBYTECODE|PYTHONPATH|PYTHONHASHSEED|LANG|LC_ALL|"
    r"HOME|VIRTUAL_ENV|DEBIAN_FRONTEND|PIP_\w+|POETRY_\w+|UV_\w+|PIPENV_\w+)$"
)
"""Variables of the build, or those that every image sets."""
SHELL_WORDS: Final = frozenset({"&&", "||", ";", "|"})


def read_dockerfile(text: str, name: str) -> Recipe:
    """Return what the last stage of a Dockerfile says."""
    parser = DockerfileParser(fileobj=io.BytesIO(text.encode()), env_replace=False)
    reader = _Reader(name)
    for step in parser.structure:
        reader.take(step)
    return reader.finished()


class _Reader:
    """State of a stage while its instructions are read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.recipe = Recipe()
        self.variables: dict[str, str] = {}
        self.entrypoint: tuple[str, str] = ("", "")
        self.cmd: tuple[str, str] = ("", "")
        self.stages: dict[str, tuple[Recipe, dict[str, str], tuple[str, str], tuple[str, str]]] = {}
        self.stage = ""

    def take(self, step: dict[str, Any]) -> None:
        """Read one instruction."""
        method = getattr(self, f"_{step['instruction'].lower()}", None)
        if method:
            method(str(step["value"]), f"{self.name}:{step['startline'] + 1}")

    def finished(self) -> Recipe:
        """Return the last stage, with its command."""
        recipe = self.recipe
        (entry, entry_place), (cmd, cmd_place) = self.entrypoint, self.cmd
        recipe.command_place = entry_place or cmd_place
        if entry and not _is_list(entry):
            text, words = entry, list[str]()
        elif cmd and not _is_list(cmd) and not entry:
            text, words = cmd, []
        else:
            text, words = "", [*_words(entry), *_words(cmd)]
        if words and words[0].endswith(".sh"):
            why = f"{words[0]} is not run; what it does before it starts the service has to happen elsewhere"
            recipe.remarks.append(Guess(key="command", place=recipe.command_place, why=why))
            words = words[1:]
        simple = simple_words(words, self.variables) if words else simple_command(text, self.variables)
        recipe.command, recipe.shell = simple.words, simple.shell
        recipe.remarks += [
            Guess(key="command", place=recipe.command_place, why=why) for why in simple.remarks
        ]
        if recipe.port is None and self.variables.get("PORT", "").isdigit():
            recipe.port, recipe.port_place = int(self.variables["PORT"]), recipe.env.get("PORT", ("", ""))[1]
        return recipe

    def _from(self, value: str, place: str) -> None:
        words = [word for word in self._expanded(value).split() if not word.startswith("--")]
        before = self.recipe
        self.stages[self.stage] = (before, self.variables, self.entrypoint, self.cmd)
        base = words[0]
        if base in self.stages and base:
            found, variables, self.entrypoint, self.cmd = self.stages[base]
            self.recipe, self.variables = copy.deepcopy(found), dict(variables)
        else:
            arguments = {key: text for key, text in self.variables.items() if not before.base}
            self.recipe, self.variables = Recipe(base=base), arguments
            self.entrypoint = self.cmd = ("", "")
            self.recipe.requirements = dict(before.requirements)
            # What earlier stages install is for the build, unless this one installs it, too.
            for package in {**before.runtime_packages, **before.build_packages}:
                found_at = {**before.runtime_packages, **before.build_packages}[package]
                self.recipe.build_packages[package] = found_at
        self.stage = words[2] if len(words) > 2 else str(len(self.stages))  # noqa: PLR2004 - FROM x AS y
        if match := PYTHON.search(base):
            self.recipe.python, self.recipe.python_place = match[1], f"{place}: FROM {base}"

    def _arg(self, value: str, _place: str) -> None:
        key, _, default = value.partition("=")
        self.variables.setdefault(key.strip(), default.strip().strip("\"'"))

    def _env(self, value: str, place: str) -> None:
        words = (
            shlex.split(value) if "=" in value.split(" ", maxsplit=1)[0] else ["=".join(value.split(None, 1))]
        )
        for word in words:
            key, _, text = word.partition("=")
            self.variables[key] = self._expanded(text)
            if not NOISE.match(key):
                self.recipe.env[key] = (self.variables[key], place)

    def _workdir(self, value: str, _place: str) -> None:
        self.recipe.workdir = posixpath.normpath(posixpath.join(self.recipe.workdir, self._expanded(value)))

    def _expose(self, value: str, place: str) -> None:
        first = self._expanded(value).split()[0].partition("/")[0]
        if first.isdigit() and self.recipe.port is None:
            self.recipe.port, self.recipe.port_place = int(first), f"{place}: EXPOSE {value}"

    def _entrypoint(self, value: str, place: str) -> None:
        self.entrypoint, self.cmd = (value, f"{place}: ENTRYPOINT"), ("", "")

    def _cmd(self, value: str, place: str) -> None:
        self.cmd = (value, f"{place}: CMD")

    def _healthcheck(self, value: str, place: str) -> None:
        if match := re.search(r"https?://[^/\s\"']+(/[^\s\"')|;]*)", value):
            self.recipe.health, self.recipe.health_place = match[1], f"{place}: HEALTHCHECK"

    def _copy(self, value: str, place: str) -> None:
        words = _words(value) if value.lstrip().startswith("[") else self._expanded(value).split()
        options = [word for word in words if word.startswith("--")]
        if any(word.startswith("--from=") for word in options):
            return
        *sources, target = [word for word in words if not word.startswith("--")]
        path = posixpath.join(self.recipe.workdir, target)
        slash = "/" if target.endswith(("/", ".")) or len(sources) > 1 else ""
        for source in sources:
            clean = posixpath.normpath(source).lstrip("/")
            self.recipe.copies.append(
                Copied(source=clean, target=posixpath.normpath(path).rstrip("/") + slash, place=place)
            )

    _add = _copy

    def _run(self, value: str, place: str) -> None:
        text = self._expanded(value)
        for match in re.finditer(r"\bapt(?:-get)?\s+(?:-\S+\s+)*install\s+([^&|;]*)", text):
            for word in match[1].split():
                package = word.partition("=")[0]
                if package in NOT_NEEDED or not re.match(r"^[a-z0-9]", word):
                    continue
                kind = "build_packages" if ONLY_BUILD.search(package) else "runtime_packages"
                getattr(self.recipe, kind)[package] = f"{place}: RUN apt-get install"
        for match in re.finditer(r"\bpip3?\s+install\s+((?:\"[^\"]*\"|'[^']*'|[^&|;])*)", text):
            for line in requirements_of(shlex.split(match[1])):
                self.recipe.requirements[line] = f"{place}: RUN pip install"

    def _expanded(self, text: str) -> str:
        return re.sub(
            r"\$\{?(\w+)(?::-([^}]*))?\}?",
            lambda match: self.variables.get(match[1], match[2] or ""),
            text,
        )


def _is_list(text: str) -> bool:
    return text.lstrip().startswith("[")


def _words(text: str) -> list[str]:
    if not text:
        return []
    if not _is_list(text):
        return shlex.split(text)
    try:
        return [str(word) for word in json.loads(text)]
    except json.JSONDecodeError:
        return shlex.split(text.strip("[] ").replace(",", " "))
