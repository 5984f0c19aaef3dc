"""Print what is in each layer of an image.

    layer_table.py RAW ZSTD

Both are OCI archives of one image: RAW with uncompressed layers, which are read for their contents,
ZSTD with zstd layers, whose sizes are what a cold pull transfers.
"""

import sys
import tarfile
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

from lib.oci_archive import OciArchive, opened

LARGEST = 4
"""Folders named for each layer."""
DEPTH = {"opt": 6, "usr": 4}
"""Parts of a path that make up a folder of the table, by its first part; 2 elsewhere."""
SHALLOW = 2
"""Parts of a path below which it is named in full."""
WORTH_NAMING = 50_000
"""Bytes below which a folder would show as 0.0 MB."""


def main() -> int:
    """Print the table."""
    sys.stdout.write(table(*sys.argv[1:]))
    return 0


def table(raw_path: str, zstd_path: str) -> str:
    """Return a line per layer: sizes in MB (10^6 bytes) and its largest folders; then the sums.

    Neighbours that hold the same folders, as the shares of the application do, have one line.
    """
    with opened(Path(zstd_path)) as packed_archive:
        compressed = [layer["size"] for layer in packed_archive.layers]
    seen: set[str] = set()
    waste = 0
    rows = []
    with opened(Path(raw_path)) as archive:
        for descriptor, packed in zip(archive.layers, compressed, strict=True):
            sizes, twice = _contents(archive, descriptor, seen)
            waste += twice
            rows.append((descriptor["size"], packed, sizes))
    lines = [f"{'layer':>5} {'raw MB':>9} {'zstd MB':>9}  largest contents (MB)"]
    for _, numbered in groupby(enumerate(rows, 1), key=lambda row: frozenset(row[1][2])):
        lines.append(_line(list(numbered)))
    raw_total = sum(row[0] for row in rows)
    sums = (
        f"{'all':>5} {raw_total / 1e6:>9.2f} {sum(compressed) / 1e6:>9.2f}  written twice {waste / 1e6:.2f}"
    )
    return "\n".join([*lines, sums]) + "\n"


def _line(numbered: list[tuple[int, tuple[int, int, Counter[str]]]]) -> str:
    numbers = [number for number, _ in numbered]
    raw = sum(row[0] for _, row in numbered) / 1e6
    packed = sum(row[1] for _, row in numbered) / 1e6
    sizes: Counter[str] = Counter()
    for _, row in numbered:
        sizes.update(row[2])
    most = [(path, size) for path, size in sizes.most_common(LARGEST) if size >= WORTH_NAMING]
    largest = ", ".join(f"{_short(path)} {size / 1e6:.1f}" for path, size in most)
    which = f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
    return f"{which:>5} {raw:>9.2f} {packed:>9.2f}  {largest}"


def _short(path: str) -> str:
    """Return a folder's name as the table gives it: deep ones without what leads to them."""
    return path if path.count("/") < SHALLOW else path.rsplit("/", 1)[1]


def _contents(archive: OciArchive, descriptor: dict[str, Any], seen: set[str]) -> tuple[Counter[str], int]:
    """Return bytes by folder of one layer, and the bytes of files that a lower layer has too."""
    sizes: Counter[str] = Counter()
    twice = 0
    with tarfile.open(fileobj=archive.blob(descriptor)) as layer:
        for member in layer:
            name = member.name.removeprefix("./")
            parts = name.split("/")
            sizes["/".join(parts[: DEPTH.get(parts[0], 2)])] += member.size
            if member.isfile():
                twice += member.size if name in seen else 0
                seen.add(name)
    return sizes, twice


if __name__ == "__main__":
    sys.exit(main())
