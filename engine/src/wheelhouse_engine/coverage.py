"""Say which fields of the API this engine carries out: the table in engine/docs/api.md.

`python -m wheelhouse_engine.coverage > engine/docs/api.md` writes it again.
"""

import re
import sys
from collections.abc import Iterator
from typing import Final, Literal

from wheelhouse_engine import ops
from wheelhouse_engine.api import load_api
from wheelhouse_engine.apitable import ApiTable
from wheelhouse_engine.handlers import HANDLERS

assert ops.__all__  # noqa: S101 - importing `ops` filled the table

Status = Literal["done", "partial", "refused"]

TYPES: Final = (
    *("Query", "Container", "Directory", "File", "CacheVolume", "Secret", "Service", "Host", "Address"),
    *("GitRepository", "GitRef", "Changeset", "DiffStat", "EnvFile", "EnvVariable", "JSONValue", "Port"),
    *("Label", "Stat", "SearchResult", "SearchSubmatch", "HealthcheckConfig", "Error", "CurrentModule"),
    *("Engine", "EngineCache", "EngineCacheEntrySet", "EngineCacheEntry"),
)
"""The types that pipelines are written with, in the order of the table."""

PARTIAL: Final = {
    "Query.container": "platform: this machine's only",
    "Query.secret": "env://, file:// and cmd://",
    "Container.asService": "not experimentalPrivilegedNesting; needs root; no way to the internet",
    "Container.withUnixSocket": "not owner",
    "Container.up": "not experimentalPrivilegedNesting; needs root",
    "Container.experimentalWithAllGPUs": "accepted; an exec is refused: it gets no GPU",
    "Container.experimentalWithGPU": "accepted; an exec is refused: it gets no GPU",
    "Container.exportImage": "into podman's store; not platformVariants",
    "Host.containerImage": "from podman's store",
    "Directory.dockerBuild": "platform: this machine's only; not ssh, noInit",
    "Changeset.withChangeset": "whole files are merged; not LEAVE_CONFLICT_MARKERS",
    "Changeset.withChangesets": "whole files are merged",
    "Address.file": "paths of this machine",
}
"""What of a field is missing."""

HEAD: Final = """# What of the API the embedded engine carries out

Written by `python -m wheelhouse_engine.coverage`; a test compares. A refused field
exists in the schema and answers with its name and what to do. Each type's `id`
and the older `load…FromID` fields of Query are done.
"""


def status(name: str) -> Status:
    """Return how far a field such as `Container.withExec` is carried out."""
    if name in PARTIAL:
        return "partial"
    done = name in HANDLERS or name.endswith(".id") or name == "Query.node"
    return "done" if done or re.fullmatch(r"Query\.load\w+FromID", name) else "refused"


def rows(table: ApiTable) -> Iterator[tuple[str, str, Status]]:
    """Yield type, field and status of every field of `TYPES`."""
    for owner in TYPES:
        for field in table.objects.get(owner, {}):
            yield owner, field, status(f"{owner}.{field}")


def markdown(table: ApiTable) -> str:
    """Return the whole page."""
    lines = [HEAD, "| Type | Done | Partial | Refused |", "|---|---|---|---|"]
    found = list(rows(table))
    for owner in TYPES:
        cells: dict[str, list[str]] = {"done": [], "partial": [], "refused": []}
        for one, field, how in found:
            if one == owner and field != "id" and not field.startswith("load"):
                note = PARTIAL.get(f"{one}.{field}")
                cells[how].append(f"`{field}`" + (f" ({note})" if note else ""))
        lines.append(f"| {owner} | " + " | ".join(", ".join(cell) for cell in cells.values()) + " |")
    counts = {how: sum(1 for row in found if row[2] == how) for how in ("done", "partial", "refused")}
    lines += ["", ", ".join(f"{count} {how}" for how, count in counts.items()) + "."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown(load_api()))
