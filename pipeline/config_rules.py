"""Contradictions between values of a configuration, each with its fix."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from pipeline.config_errors import TABLE
from pipeline.config_tables import ProjectTable, ServiceConfig
from pipeline.errors import near_miss

SHELLS: Final = ("ash", "bash", "csh", "dash", "fish", "ksh", "sh", "tcsh", "zsh")


class Wrong(NamedTuple):
    """A contradictory value."""

    key: str
    sentence: str
    """Found, expected, what to do."""
    table: str = TABLE


def contradictions(project: ProjectTable, service: ServiceConfig) -> list[Wrong]:
    """Return the contradictory values, in the order of the tables."""
    return [*_project(project, service.python), *_protocol(service), *_shell(service), *_packages(service)]


def _project(project: ProjectTable, python: str) -> Iterator[Wrong]:
    found = f"requires-python = {project.requires_python!r}"
    try:
        allowed = SpecifierSet(project.requires_python)
    except InvalidSpecifier:
        sentence = (
            f'{found} is not a valid version specifier; expected one like ">=3.11". Fix requires-python.'
        )
        yield Wrong("requires-python", sentence, "project")
    else:
        if not any(allowed.contains(f"{python}.{patch}", prereleases=True) for patch in (0, 99)):
            sentence = f"{found}, while the image has Python {python}; expected one that the project allows. "
            sentence += f"Set python in [{TABLE}], or widen requires-python."
            yield Wrong("requires-python", sentence, "project")
    groups = {"dependencies": project.dependencies}
    for name, lines in project.optional_dependencies.items():
        groups[f"optional-dependencies.{name}"] = lines
    for key, lines in groups.items():
        yield from (Wrong(key, found, "project") for line in lines if (found := _requirement(key, line)))


def _requirement(key: str, line: str) -> str:
    try:
        Requirement(line)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        found = f"{key}: {line!r} is not a valid requirement specifier (PEP 508): {reason}"
        return f'{found}; expected one like "httpx>=0.28". Fix it.'
    return ""


def _protocol(service: ServiceConfig) -> Iterator[Wrong]:
    protocol = service.protocol
    for key in ("health", "ready") if protocol != "http" else ():
        if path := getattr(service, key):
            sentence = f"{key} = {path!r} while protocol = {protocol!r}; expected a path only with HTTP. "
            sentence += f'Remove {key}, set protocol = "http", or check health with health_command.'
            yield Wrong(key, sentence)
    if service.probe and protocol != "http":
        sentence = f'probe is a request of HTTP while protocol = {protocol!r}; expected protocol = "http". '
        yield Wrong("probe", f"{sentence}Remove probe, or check health with health_command.")
    if protocol == "none" and service.port is not None:
        sentence = f'port = {service.port} while protocol = "none"; expected no port. '
        yield Wrong("port", f"{sentence}Remove port, or name its protocol: http, grpc or tcp.")


def _shell(service: ServiceConfig) -> Iterator[Wrong]:
    if service.shell:
        return
    for key, words in (("command", service.command), ("health_command", service.health_command or ())):
        started = {words[0]} if words else set()
        started |= {word for word, after in pairwise(words) if after == "-c"}
        if shells := sorted({word.rpartition("/")[2] for word in started} & set(SHELLS)):
            sentence = f"{key} starts {shells[0]!r}; expected a program of the image, which has no shell. "
            sentence += f'Set shell = true for /bin/sh, or name the program itself: {key} = ["gunicorn", …]; '
            sentence += "gunicorn and uvicorn read WEB_CONCURRENCY from the environment."
            yield Wrong(key, sentence)


def _packages(service: ServiceConfig) -> Iterator[Wrong]:
    names: dict[str, str] = {}
    for path in service.packages:
        last = path.rstrip("/").rpartition("/")[2]
        if last in names:
            sentence = f"packages has {names[last]!r} and {path!r}, both /srv/app/{last}; "
            sentence += "expected distinct last names. Rename one, or name the folder above them."
            yield Wrong("packages", sentence)
        names[last] = path
    for path in service.writable:
        if (first := path.partition("/")[0]) not in names:
            sentence = f"writable names {path!r}, which is below none of packages; expected a path as in the "
            sentence += f"image, below {', '.join(names)}."
            yield Wrong("writable", f"{sentence} Fix writable{near_miss(first, names)}.")
