"""Write the software list of an image.

    python3 -m sbom.write --root /image --facts /in/facts.json [--lock FILE] [--wheels DIR] --out DIR

FACTS is a JSON object: labels (object), base (reference with digest), requirements (list).
Wheels that DIR/built.txt names were compiled from a locked source.
Writes sbom.cdx.json and sbom.spdx.json; their time is SOURCE_DATE_EPOCH.
Exit status 2 when the image cannot be listed; stderr says why.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from sbom.collect import Texts, collect
from sbom.cyclonedx import cyclonedx
from sbom.errors import FactsError
from sbom.spdx import spdx
from sbom.tree import Tree


def main() -> int:
    """Return 0, or 2 when the image cannot be listed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--lock", type=Path)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    facts = json.loads(options.facts.read_text(encoding="utf-8"))
    texts = Texts(
        labels=facts.get("labels", {}),
        base=facts.get("base", ""),
        requirements=tuple(facts.get("requirements", ())),
        lock=options.lock.read_text(encoding="utf-8") if options.lock else "",
        epoch=int(os.environ.get("SOURCE_DATE_EPOCH", "0")),
    )
    try:
        bill = collect(Tree(options.root), texts, options.wheels)
    except FactsError as error:
        print(f"no software list: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "sbom.cdx.json").write_text(cyclonedx(bill), encoding="utf-8")
    (options.out / "sbom.spdx.json").write_text(spdx(bill), encoding="utf-8")
    print(f"{len(bill.components)} components, {bill.owned_share:.2%} of {bill.files} files owned")
    return 0


if __name__ == "__main__":
    sys.exit(main())
