"""Sign statements about an image and lay them out as its referrers.

    python3 -m sign.attest --key FILE --out DIR STATEMENT.json…

Writes DIR/<stem>.sigstore.json for each statement, and DIR/referrers.json, which says how each is
attached to the image in a registry. Exit status 2 when the key cannot sign; stderr never shows it.
"""

import argparse
import json
import sys
from pathlib import Path

from sign.bundle import MEDIA_TYPE, signed_bundle
from sign.errors import SignError
from sign.keys import hint, private_key


def main() -> int:
    """Return 0, or 2 when the key cannot sign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("statements", type=Path, nargs="+")
    options = parser.parse_args()
    try:
        key = private_key(options.key.read_bytes())
    except SignError as error:
        print(f"not signed: {error}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    entries = []
    for path in options.statements:
        statement = path.read_bytes()
        name = f"{path.stem}.sigstore.json"
        (options.out / name).write_text(signed_bundle(statement, key), encoding="utf-8")
        entries.append(referrer(name, json.loads(statement)["predicateType"], hint(key.public_key())))
    (options.out / "referrers.json").write_text(json.dumps(entries, indent=1), encoding="utf-8")
    return 0


def referrer(name: str, predicate_type: str, signer: str) -> dict[str, object]:
    """Return how a bundle is attached, so that cosign and trivy find it; one of each name per signer."""
    return {
        "file": name,
        "artifact_type": MEDIA_TYPE,
        "media_type": MEDIA_TYPE,
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": predicate_type,
            "in-toto.io/predicate-type": predicate_type,
            "io.wheelhouse.signer": signer,
            "org.opencontainers.image.title": name,
        },
        "once": True,
    }


if __name__ == "__main__":
    sys.exit(main())
