"""`python -m oci VERB`; answers are JSON on stdout."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final, TypeAlias

from oci.caching import Cache, packed, unpacked
from oci.compression import Compression
from oci.content import Document, Layout
from oci.credentials import Credentials
from oci.errors import RegistryError, TransientError
from oci.normalise import Form, joined, normalise
from oci.plans import Plan
from oci.promoting import Promotion
from oci.pushing import Publisher
from oci.references import split_reference
from oci.repository import Access, Repository

TEMPORARY_FAILURE: Final = 75
"""Exit status of a registry that stayed silent, overloaded or cut. Source: EX_TEMPFAIL of sysexits.h."""
Run: TypeAlias = Callable[[argparse.Namespace], Document | list[Document]]
# argparse has no public name for it.
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; print a RegistryError on stderr and return 1, or 75 where later may help; else 0."""
    options = _parser().parse_args(arguments)
    try:
        answer = options.run(options)
    except RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return TEMPORARY_FAILURE if isinstance(error, TransientError) else 1
    print(json.dumps(answer, indent=1))
    return 0


def _normalise(options: argparse.Namespace) -> Document:
    labels = dict(label.split("=", 1) for label in options.label)
    form = Form(options.created, Compression(options.compression), labels)
    options.out.mkdir(parents=True, exist_ok=True)
    root = normalise(options.archive, options.out / "layout", form, options.cache)
    (options.out / "digest").write_text(root.digest)
    return {"digest": root.digest}


def _join(options: argparse.Namespace) -> Document:
    (options.out / "layout").mkdir(parents=True, exist_ok=True)
    index = joined([Layout(path) for path in options.layouts], options.out / "layout")
    (options.out / "digest").write_text(index.digest)
    return {"digest": index.digest}


def _push(options: argparse.Namespace) -> Document:
    plan = Plan.read(options.plan)
    publisher = Publisher(Repository.open(plan.repository, _access(options), plan.mounts))
    images = publisher.publish(plan)
    tally = publisher.tally
    return {
        "images": images,
        "pushed_blobs": tally.pushed_blobs,
        "pushed_bytes": tally.pushed_bytes,
        "known_blobs": tally.known_blobs,
        "written_manifests": tally.written_manifests,
        "written_tags": tally.written_tags,
    }


def _copy(options: argparse.Namespace) -> Document:
    source, reference = split_reference(options.source)
    wanted = Repository.open(options.target, _access(options))
    same = wanted.name.host == source.host
    access = _access(options) if same else _source_access(options)
    origin = Repository.open(str(source), replace(access, reads=True))
    return Promotion(origin, wanted).promote(reference, tuple(options.immutable), tuple(options.moving))


def _referrers(options: argparse.Namespace) -> list[Document]:
    name, reference = split_reference(options.image)
    repository = Repository.open(str(name), replace(_access(options), reads=True))
    return repository.referrers(repository.manifest(reference).digest, options.artifact_type)


def _has(options: argparse.Namespace) -> Document:
    return {"found": _cache(options, reads=True).has(options.key)}


def _take(options: argparse.Namespace) -> Document:
    options.folder.mkdir(parents=True, exist_ok=True)
    entry = _cache(options, reads=True).pull(options.key, options.folder)
    return {"found": entry is not None, **(asdict(entry) if entry else {})}


def _store(options: argparse.Namespace) -> Document:
    return {"stored": _cache(options, reads=False).push(options.key, options.folder, options.signature)}


def _cache(options: argparse.Namespace, *, reads: bool) -> Cache:
    return Cache(Repository.open(options.repository, replace(_access(options), reads=reads)))


def _pack(options: argparse.Namespace) -> Document:
    options.folder.mkdir(parents=True, exist_ok=True)
    return {"digest": packed(options.tree, options.folder)}


def _unpack(options: argparse.Namespace) -> Document:
    unpacked(options.folder, options.digest, options.tree)
    return {"unpacked": options.digest}


def _access(options: argparse.Namespace) -> Access:
    credentials = _credentials(options.username, options.password_file)
    return Access(credentials, options.insecure, options.ca_file, options.endpoint)


def _source_access(options: argparse.Namespace) -> Access:
    credentials = _credentials(options.source_username, options.source_password_file)
    return Access(credentials, options.insecure, options.ca_file, options.endpoint)


def _credentials(username: str, password_file: Path | None) -> Credentials | None:
    if password_file is None:
        return None
    if not username:
        raise RegistryError("a password without a username. Pass --username")
    return Credentials(username, password_file.read_text().rstrip("\r\n"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="oci")
    verbs = parser.add_subparsers(required=True)
    _add_local(verbs)
    verb = _add_verb(verbs, "push", _push)
    verb.add_argument("--plan", type=Path, required=True)
    verb = _add_verb(verbs, "copy", _copy)
    verb.add_argument("source", help="REPOSITORY:TAG or REPOSITORY@DIGEST")
    verb.add_argument("target", help="REPOSITORY")
    verb.add_argument("--immutable", action="append", default=[], metavar="TAG")
    verb.add_argument("--moving", action="append", default=[], metavar="TAG")
    verb.add_argument("--source-username", default="")
    verb.add_argument("--source-password-file", type=Path)
    verb = _add_verb(verbs, "referrers", _referrers)
    verb.add_argument("image", help="REPOSITORY:TAG or REPOSITORY@DIGEST")
    verb.add_argument("--artifact-type", default="")
    for name, run in (("has", _has), ("take", _take), ("store", _store)):
        verb = _add_verb(verbs, name, run)
        verb.add_argument("repository")
        verb.add_argument("key", help="KIND-<sha256 of what the folder is made from>")
        if run is not _has:
            verb.add_argument("folder", type=Path)
        if run is _store:
            verb.add_argument("--signature", required=True, help="over key and digest, as base64")
    return parser


def _add_local(verbs: Verbs) -> None:
    """Add the verbs that speak to no registry."""
    verb = verbs.add_parser("normalise")
    verb.add_argument("--archive", type=Path, required=True)
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--created", type=int, required=True, help="seconds since 1970")
    verb.add_argument("--compression", choices=[kind.value for kind in Compression], default="gzip")
    verb.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    verb.add_argument("--cache", type=Path)
    verb.set_defaults(run=_normalise)
    verb = verbs.add_parser("join")
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("layouts", type=Path, nargs="+")
    verb.set_defaults(run=_join)
    for name, run in (("pack", _pack), ("unpack", _unpack)):
        verb = verbs.add_parser(name)
        verb.add_argument("folder", type=Path, help="what is stored or was taken")
        verb.add_argument("tree", type=Path)
        if run is _unpack:
            verb.add_argument("digest", help="sha256:… of the signed digest")
        verb.set_defaults(run=run)


def _add_verb(verbs: Verbs, name: str, run: Run) -> argparse.ArgumentParser:
    """Add a verb that speaks to a registry."""
    verb = verbs.add_parser(name)
    verb.set_defaults(run=run)
    verb.add_argument("--username", default="")
    verb.add_argument("--password-file", type=Path, help="never an argument: other users can list those")
    verb.add_argument("--insecure", action="store_true", help="plain HTTP beyond this machine")
    verb.add_argument("--ca-file", default="")
    verb.add_argument(
        "--endpoint", default="", metavar="HOST=OTHER", help="speak to OTHER where HOST is named"
    )
    return verb


if __name__ == "__main__":
    sys.exit(main())
