"""Turn a command as Dockerfiles and Procfiles write it into a program and its arguments."""

import re
import shlex
from typing import Final, NamedTuple

LAUNCHERS: Final = (
    ("tini", "--"),
    ("tini",),
    ("dumb-init", "--"),
    ("dumb-init",),
    ("exec",),
    ("poetry", "run"),
    ("pipenv", "run"),
    ("pdm", "run"),
    ("hatch", "run"),
    ("uv", "run"),
)
"""Programs that only start another one; the image has an init of its own and no such tool."""
LAUNCHER_OPTIONS: Final = frozenset({"--no-sync", "--frozen", "--locked", "--no-dev", "--"})
SHELLS: Final = frozenset({"sh", "bash", "dash", "ash"})
RELOADS: Final = frozenset({"--reload", "--debug"})
NEEDS_SHELL: Final = re.compile(r"&&|\|\||[;|<>`*]|\$\(|^\s*(?:source|export|\.)\s")
VARIABLE: Final = re.compile(r"\$\{?(\w+)(?::?-([^}]*))?\}?")
BIND: Final = {
    "uvicorn": ("--host", ["--host", "0.0.0.0"]),  # noqa: S104 - the address inside a container
    "hypercorn": ("-b", ["--bind", "0.0.0.0:8000"]),
    "gunicorn": ("-b", ["--bind", "0.0.0.0:8000"]),
    "flask": ("--host", ["--host", "0.0.0.0"]),  # noqa: S104
    "streamlit": ("--server.address", ["--server.address", "0.0.0.0"]),  # noqa: S104
}
"""Server -> its option for the address, and what a container needs; without it only loopback is served."""
PORTS: Final = re.compile(r"^(?:--port|-p|--server\.port|--bind|-b)(?:=(.*))?$")
DEFAULT_PORTS: Final = {
    "flask": 5000,
    "streamlit": 8501,
    "uvicorn": 8000,
    "gunicorn": 8000,
    "hypercorn": 8000,
    "fastapi": 8000,
}


class Command(NamedTuple):
    """A program with its arguments, and what was changed to get there."""

    words: list[str]
    shell: bool
    """Whether it needs a shell."""
    remarks: list[str]


def simple_command(text: str, variables: dict[str, str]) -> Command:
    """Return the command that a shell would run for a line.

    Args:
        text: the line.
        variables: values of ENV and ARG, for `$PORT` and the like.

    """
    if NEEDS_SHELL.search(text):
        reason = "it needs a shell: shell = true brings /bin/sh into the image"
        return Command(["sh", "-c", text], True, [reason])
    return simple_words(shlex.split(text), variables)


def simple_words(words: list[str], variables: dict[str, str]) -> Command:
    """Return the command that starts the service itself: no launcher, no shell, no reloading."""
    words = _without_launchers(words)
    if len(words) == 3 and words[0].rpartition("/")[2] in SHELLS and words[1] in {"-c", "-lc"}:  # noqa: PLR2004
        return simple_command(words[2].strip(), variables)
    names = dict.fromkeys(match[1] for match in VARIABLE.finditer(" ".join(words)))
    remarks = [f"${name} is replaced by its value: no shell expands it in the image" for name in names]
    words = [VARIABLE.sub(lambda match: _value(match, variables), word) for word in words]
    while words and re.match(r"^[A-Za-z_]\w*=", words[0]):
        remarks.append(f"{words[0]} is not part of the command: set it in env")
        words = words[1:]
    if dropped := [word for word in words if word in RELOADS]:
        remarks.append(f"{' '.join(dropped)} is left out: the image's files never change")
    words = [word for word in words if word not in RELOADS]
    return Command(_reachable(words, remarks), False, remarks)


def port_of(words: list[str]) -> int | None:
    """Return the port that a command names, or that its server listens on by default."""
    for number, word in enumerate(words):
        if match := PORTS.match(word):
            value = match[1] or (words[number + 1] if number + 1 < len(words) else "")
            if found := re.search(r"(?:^|:)(\d+)$", value):
                return int(found[1])
    return DEFAULT_PORTS.get(program_of(words))


def program_of(words: list[str]) -> str:
    """Return the name of the program that a command runs, also by `python -m`."""
    names = [word.rpartition("/")[2] for word in words]
    if len(names) > 2 and re.match(r"^python[\d.]*$", names[0]) and names[1] == "-m":  # noqa: PLR2004
        return names[2]
    return names[0] if names else ""


def _value(match: re.Match[str], variables: dict[str, str]) -> str:
    fallback = "8000" if "PORT" in match[1] else "1" if "WORKERS" in match[1] else ""
    return variables.get(match[1]) or match[2] or fallback


def _without_launchers(words: list[str]) -> list[str]:
    found = True
    while found:
        names = [words[0].rpartition("/")[2], *words[1:]] if words else []
        found = False
        for launcher in LAUNCHERS:
            if tuple(names[: len(launcher)]) == launcher:
                words, found = words[len(launcher) :], True
                while words and words[0] in LAUNCHER_OPTIONS:
                    words = words[1:]
                break
    return words


def _reachable(words: list[str], remarks: list[str]) -> list[str]:
    option, added = BIND.get(program_of(words), ("", []))
    known = {option, added[0]} if added else set()
    loopback = {"127.0.0.1", "localhost"}
    if added and not any(word.partition("=")[0] in known or word.startswith("-b") for word in words):
        remarks.append(f"{' '.join(added)} is added: the default address is reached from inside only")
        return [*words, *added]
    if added and loopback & set(words):
        remarks.append("0.0.0.0 instead of loopback, which is reached from inside only")
        return ["0.0.0.0" if word in loopback else word for word in words]  # noqa: S104
    return words
