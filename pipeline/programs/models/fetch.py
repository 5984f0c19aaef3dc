"""Fetch one locked model, byte for byte, from the first source that has it.

`python -m models.fetch --lock /in/models.lock --model minilm --out /out`
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from models.atomic_copy import publish, write_json
from models.collect import Collected, collect
from models.download import Downloader, RetryPolicy, http_client
from models.errors import ModelError, exit_status
from models.licences import require_licence
from models.lockfile import LockedModel, load_lock
from models.progress import Meter
from models.recipes import PROVENANCE
from models.sources.folder import WeightsFolder
from models.sources.interface import FetchContext, HubAccess, Source, Wanted
from models.sources.parse import parse_source

PUBLIC_HUB: Final = "https://huggingface.co"
PATIENCE: Final = RetryPolicy()


@dataclass(frozen=True, slots=True)
class Places:
    """Directories and settings that a call hands over."""

    cache: Path | None
    """Where partial and finished downloads outlive the run; None for a temporary place."""
    weights: Path | None
    service: Path | None
    patience: RetryPolicy

    @contextmanager
    def desk(self, model: str, total_bytes: int | None) -> Iterator[FetchContext]:
        """Open a client and a scratch directory for one model."""
        meter = Meter(model, total_bytes)
        with tempfile.TemporaryDirectory() as temporary, http_client(self.patience) as client:
            scratch = self.cache or Path(temporary)
            downloader = Downloader(client, meter, self.patience)
            yield FetchContext(model, downloader, scratch, hub_access(), self.service)
            meter.done()

    def sources(self, uris: Sequence[str]) -> list[Source]:
        """Return the sources in the order they are tried, --weights first."""
        first: list[Source] = [WeightsFolder(self.weights)] if self.weights else []
        return [*first, *map(parse_source, uris)]


def hub_access() -> HubAccess:
    """Read the hub's address and token from the environment, as huggingface_hub does.

    HF_ENDPOINT, HF_TOKEN or a file named by HF_TOKEN_PATH.
    """
    token = os.environ.get("HF_TOKEN", "").strip()
    path = os.environ.get("HF_TOKEN_PATH")
    if not token and path and Path(path).is_file():
        token = Path(path).read_text(encoding="utf-8").strip()
    endpoint = os.environ.get("HF_ENDPOINT") or PUBLIC_HUB
    return HubAccess(endpoint.rstrip("/"), token or None)


def fetch(model: LockedModel, places: Places, out: Path) -> None:
    """Fill `out` with the model's files and provenance.json; nothing on failure."""
    wanted = [Wanted(file.path, file.sha256, file.size_bytes) for file in model.files]
    with places.desk(model.name, model.size_bytes) as desk, tempfile.TemporaryDirectory() as staging:
        collected = collect(places.sources(model.sources), wanted, desk)
        stage = Path(staging)
        for path, file in collected.files.items():
            (stage / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, stage / path)
        write_json(stage / PROVENANCE, provenance(model))
        publish(stage, out)
    size = f"{len(wanted)} files, {model.size_bytes / 1e6:.1f} MB"
    print(f"{model.name}: {size}, {origin(collected)}", file=sys.stderr)


def provenance(model: LockedModel) -> dict[str, Any]:
    """Say what the files are; the same whichever source served them."""
    return {
        "name": model.name,
        "sources": list(model.sources),
        "revision": model.revision,
        "licence": model.licence,
        "files": [asdict(file) for file in model.files],
    }


def origin(collected: Collected) -> str:
    """Say where the files came from."""
    return f"from {', '.join(collected.served_by)}" if collected.served_by else "from the cache"


def locked_model(lock: Path, name: str) -> LockedModel:
    """Return one model of a lock; ModelError names those that are there."""
    models = load_lock(lock)
    if name not in models:
        known = ", ".join(sorted(models)) or "none"
        raise ModelError(f"{lock.name} has no model {name!r}, it has {known}. Run `wheelhouse call lock`.")
    return models[name]


def add_place_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that fetch and lock share."""
    parser.add_argument("--cache", type=Path, help="keeps downloads between runs, and resumes them")
    parser.add_argument("--weights", type=Path, help="directory with the files, asked before any source")
    parser.add_argument("--service", type=Path, help="the service's directory, for dir:// sources")
    parser.add_argument("--allow-licence", action="append", default=[], metavar="SPDX")
    parser.add_argument("--stall", type=float, default=PATIENCE.stall_s, metavar="SECONDS")
    parser.add_argument("--tries", type=int, default=PATIENCE.tries)
    parser.add_argument("--back-off", type=float, default=PATIENCE.base_s, metavar="SECONDS")


def places_of(options: argparse.Namespace) -> Places:
    """Read the shared arguments."""
    patience = RetryPolicy(tries=options.tries, base_s=options.back_off, stall_s=options.stall)
    return Places(options.cache, options.weights, options.service, patience)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, fetch, and return the exit status."""
    parser = argparse.ArgumentParser(prog="models.fetch")
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    add_place_arguments(parser)
    options = parser.parse_args(arguments)

    def run() -> None:
        model = locked_model(options.lock, options.model)
        require_licence(model.name, model.licence, frozenset(options.allow_licence))
        fetch(model, places_of(options), options.out)

    return exit_status(run)


if __name__ == "__main__":
    sys.exit(main())
