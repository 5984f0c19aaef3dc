"""Promise about bytecode: it is that of the sources and of this Python, and is used as it is."""

import importlib.util
import re
import sys
from typing import Final

from verify.image import Entry
from verify.subject import Subject
from verify.verdict import CannotTellError, Observation, Promise

HEADER_BYTES: Final = 16
"""Magic, flags, and hash or time and size. Source: PEP 552."""
CHECKED: Final = 0b10
BY_HASH: Final = 0b01
CACHED: Final = re.compile(r"^(?P<folder>.*/)__pycache__/(?P<stem>.+)\.cpython-\d+(\.opt-\d)?\.pyc$")


def bytecode(subject: Subject) -> Observation:
    """Look at the header of every .pyc file, and at the hash of its source where that is present."""
    files = [entry for entry in subject.image.files if entry.path.endswith(".pyc")]
    if subject.facts.base == "slim":
        files = [entry for entry in files if not subject.of_base(entry)]
    if not files:
        raise CannotTellError("the image holds no bytecode")
    wrong = [f"{entry.path}: {fault}" for entry in files if (fault := _fault(subject, entry))]
    sources = [
        f"{entry.path}: not compiled" for entry in subject.image.files if _uncompiled(subject, entry.path)
    ]
    return Observation([*wrong, *sources], f"{len(files)} files")


def _fault(subject: Subject, entry: Entry) -> str:
    data = subject.image.contents(entry)
    if data[:4] != importlib.util.MAGIC_NUMBER:
        return "of another Python"
    flags = int.from_bytes(data[4:8], "little")
    if not flags & BY_HASH:
        return "judged by the time of its source"
    if flags & CHECKED:
        return "judged by its source at every start"
    source = subject.image.tree.get(_source(entry.path))
    if source and data[8:HEADER_BYTES] != importlib.util.source_hash(subject.image.contents(source)):
        return "not of the source next to it"
    return "" if len(data) > HEADER_BYTES else "empty"


def _source(path: str) -> str:
    match = CACHED.match(path)
    return f"{match['folder']}{match['stem']}.py" if match else path.removesuffix("c")


def _uncompiled(subject: Subject, path: str) -> bool:
    """Return whether a module of the service would be compiled at every start."""
    if not path.startswith("/srv/app/") or not path.endswith(".py"):
        return False
    folder, _, name = path.rpartition("/")
    cached = f"{folder}/__pycache__/{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
    return cached not in subject.image.tree


PROMISES: Final = (
    Promise(
        "bytecode valid",
        bytecode,
        "unchecked-hash files of the image's own Python, each with the hash of its source",
        "Compile with --invalidation-mode unchecked-hash after the last change of a source.",
    ),
)
