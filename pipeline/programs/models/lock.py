"""Write models.lock from what a service declares.

`python -m models.lock --pyproject /in/pyproject.toml --out /out/models.lock`
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.atomic_copy import sha256_of
from models.collect import Collected, collect
from models.declared import OPTIONAL_FILES, REQUIRED_FILES, DeclaredModel, read_declared
from models.errors import ModelError, exit_status
from models.fetch import Places, add_place_arguments, places_of
from models.licences import licence_of, require_licence
from models.lockfile import REFRESH, LockedFile, LockedModel, dump_lock, load_lock
from models.recipes import EXPORTER
from models.sources.interface import Source, Wanted

CARD = "README.md"


def lock_model(declared: DeclaredModel, places: Places, also: frozenset[str]) -> LockedModel:
    """Bring a model's files from the first source that has them all, and pin their bytes."""
    sources = places.sources(declared.sources)
    with places.desk(declared.name, None) as desk:
        collected = collect(sources, wanted_files(declared), desk)
        licence = (declared.licence or _card_licence(collected)).lower()
        require_licence(declared.name, licence, also)
        files = [
            LockedFile(path, sha256_of(file), file.stat().st_size)
            for path, file in sorted(collected.files.items())
            if path != CARD or CARD in declared.files
        ]
    return LockedModel(
        name=declared.name,
        sources=declared.sources,
        served_by=collected.served_by[0],
        revision=first_revision(sources),
        licence=licence,
        exports=declared.exports,
        exporter=EXPORTER,
        files=tuple(files),
    )


def wanted_files(declared: DeclaredModel) -> list[Wanted]:
    """List a model's files, the usual ones when it declares none, and its card."""
    card = [] if CARD in declared.files else [Wanted(CARD, optional=True)]
    if declared.files:
        return [*map(Wanted, declared.files), *card]
    return [*map(Wanted, REQUIRED_FILES), *(Wanted(path, optional=True) for path in OPTIONAL_FILES), *card]


def first_revision(sources: Sequence[Source]) -> str:
    """Return the revision that the first pinned source names."""
    return next((source.revision for source in sources if source.revision), "")


def check(declared: Sequence[DeclaredModel], lock: Path) -> None:
    """Raise ModelError listing every way in which models.lock is stale."""
    locked = load_lock(lock) if lock.exists() else {}
    stale = [line for model in declared for line in _differences(model, locked.get(model.name))]
    gone = sorted(set(locked) - {model.name for model in declared})
    stale += [f"{name}: locked, no longer declared" for name in gone]
    if stale:
        raise ModelError(f"{lock.name} is stale: {'; '.join(stale)}. {REFRESH}")


def _differences(declared: DeclaredModel, locked: LockedModel | None) -> list[str]:
    if locked is None:
        return [f"{declared.name}: declared, not locked"]
    pairs = [
        ("sources", locked.sources, declared.sources),
        ("exports", locked.exports, declared.exports),
        ("exporter", locked.exporter, EXPORTER),
    ]
    if declared.licence:
        pairs.append(("licence", locked.licence, declared.licence.lower()))
    if declared.files:
        pairs.append(("files", tuple(file.path for file in locked.files), tuple(sorted(declared.files))))
    return [f"{declared.name}: {key} {old}, expected {new}" for key, old, new in pairs if old != new]


def _card_licence(collected: Collected) -> str:
    card = collected.files.get(CARD)
    return licence_of(card.read_text(encoding="utf-8") if card else "")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, lock or check, and return the exit status."""
    parser = argparse.ArgumentParser(prog="models.lock")
    parser.add_argument("--pyproject", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--check", action="store_true", help="compare --out with what is declared; write nothing"
    )
    add_place_arguments(parser)
    options = parser.parse_args(arguments)

    def run() -> None:
        declared = read_declared(options.pyproject)
        if options.check:
            check(declared, options.out)
            return
        also = frozenset(options.allow_licence)
        text = dump_lock(lock_model(model, places_of(options), also) for model in declared)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")

    return exit_status(run)


if __name__ == "__main__":
    sys.exit(main())
