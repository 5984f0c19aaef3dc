"""Fetch what refers to a published image: bundles, software lists.

    python3 -m sign.fetch --type application/vnd.cyclonedx+json --out DIR REPOSITORY@sha256:…

Writes the first layer of every referrer of that artifact type as DIR/<n>.json, every byte checked by
its digest; and DIR/digest, the image's. Exit status 1 when the registry refuses or names none.
"""

import argparse
import sys
from pathlib import Path

from oci.credentials import Credentials
from oci.errors import RegistryError
from oci.references import split_reference
from oci.repository import Access, Repository


def main() -> int:
    """Return 0 when there is at least one referrer, else 1."""
    options = _options()
    name, reference = split_reference(options.image)
    credentials = None
    if options.username:
        credentials = Credentials(options.username, options.password_file.read_text().rstrip("\r\n"))
    try:
        access = Access(credentials, insecure=options.insecure, endpoint=options.endpoint, reads=True)
        repository = Repository.open(str(name), access)
        count = fetch(repository, reference, options.type, options.out)
    except RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not count:
        print(f"{options.image} has no referrer of type {options.type}; expected one", file=sys.stderr)
    return 0 if count else 1


def fetch(repository: Repository, reference: str, artifact_type: str, out: Path) -> int:
    """Write the referrers of an image; return how many there are.

    A referrer whose own manifest names another subject, or holds nothing, is left out: anybody who may
    write can list one, and the list of a registry proves nothing.

    Raises:
        RegistryError: the registry refuses, or gave other bytes than the digests say.

    """
    digest = repository.manifest(reference).digest
    out.mkdir(parents=True, exist_ok=True)
    (out / "digest").write_text(digest, encoding="utf-8")
    count = 0
    for entry in repository.referrers(digest, artifact_type):
        document = repository.manifest(entry["digest"]).document
        layers = document.get("layers")
        if layers and document.get("subject", {}).get("digest") == digest:
            (out / f"{count}.json").write_bytes(repository.blob(layers[0]["digest"]))
            count += 1
    return count


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--type", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--username", default="")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("--endpoint", default="", metavar="HOST=OTHER")
    parser.add_argument("image", help="REPOSITORY:TAG or REPOSITORY@DIGEST")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
