"""Audit an image: what each layer holds, which bytes are wasted, a map of it.

    python3 -m audit.run --raw RAW --zstd ZSTD [--makers FILE] --out DIR

Both are OCI archives of one image: RAW with uncompressed layers, ZSTD with zstd layers. FILE is a JSON
object, absolute folder -> what made the layers that hold nothing else; the history names the others.
Writes layers.json, layers.txt and layers.svg. Exit status 2 when RAW is not an image; stderr says why.
"""

import argparse
import json
import sys
from pathlib import Path

from layer_table import table

from layers.archive import packed_sizes, read_image
from layers.errors import ImageError
from layers.report import Audit
from layers.treemap import treemap
from layers.waste import merge


def main() -> int:
    """Return 0, or 2 when there is not an image to audit."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--raw", "--zstd", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--makers", type=Path)
    options = parser.parse_args()
    makers = json.loads(options.makers.read_text()) if options.makers else {}
    try:
        image = read_image(options.raw)
        audit = Audit(image, merge(image), packed_sizes(options.zstd), makers)
    except ImageError as error:
        print(f"no audit: {error}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    head = table(str(options.raw), str(options.zstd))
    (options.out / "layers.txt").write_text(head + audit.text())
    (options.out / "layers.json").write_text(json.dumps(audit.document(), indent=1) + "\n")
    (options.out / "layers.svg").write_text(treemap(audit.title(), audit.blocks()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
