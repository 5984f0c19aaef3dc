"""Join what is known of two images into one comparison.

    python3 -m compare.run --in DIR --out DIR

IN has facts.json (variant, seconds, starts, vulnerabilities) and naive/ and ours/ with image.tar and
edited.tar each, OCI archives with zstd layers. Writes compare.json, compare.txt, compare.svg,
Dockerfile.naive and the audit of the naive image's layers. Exit status 2 when an archive is not an image;
stderr says why.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from layers.errors import ImageError
from layers.report import Audit
from layers.treemap import treemap

from compare.bars import picture
from compare.measures import Measure, Measured, measures
from compare.table import table


def main() -> int:
    """Return 0, or 2 when there is not an image to compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in", dest="given", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    facts = json.loads((options.given / "facts.json").read_text())
    try:
        naive, ours = (Measured.read(options.given / side) for side in ("naive", "ours"))
    except ImageError as error:
        print(f"no comparison: {error}", file=sys.stderr)
        return 2
    found = measures(facts, naive, ours)
    options.out.mkdir(parents=True, exist_ok=True)
    title = f"{facts['variant']} image, naive and wheelhouse"
    (options.out / "compare.json").write_text(json.dumps(document(facts, found), indent=1) + "\n")
    (options.out / "compare.txt").write_text(table(facts, found, naive, ours))
    (options.out / "compare.svg").write_text(picture(title, found))
    (options.out / "Dockerfile.naive").write_text(facts["dockerfile"])
    audit = Audit(naive.image, naive.merged, naive.packed, {})
    (options.out / "naive-layers.txt").write_text(audit.text().lstrip())
    (options.out / "naive-layers.svg").write_text(treemap(audit.title(), audit.blocks()))
    return 0


def document(facts: dict[str, Any], found: list[Measure]) -> dict[str, Any]:
    """Return the comparison as JSON, with every single start."""
    kept = {key: facts[key] for key in ("variant", "base", "torch", "now", "starts")}
    return {**kept, "measures": [{**asdict(one), "ratio": one.ratio} for one in found]}


if __name__ == "__main__":
    sys.exit(main())
