"""Fetch the advisories of ecosystems from OSV's bucket or a mirror of it.

    python3 -m scan.fetch --url URL --out DIR PyPI Debian

Writes DIR/<ecosystem>.zip from URL/<ecosystem>/all.zip. Exit status 1 when the bucket cannot be reached or
refuses, with the reason as the last line on stderr. Source of the layout: OSV's documentation, data dumps.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from models.download import Downloader, Request, RetryPolicy, http_client
from models.errors import ModelError
from models.progress import Meter

LARGEST_BYTES: Final = 2 * 10**9


def main() -> int:
    """Return 0 when every file is there, 1 when one cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("ecosystems", nargs="+")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    patience = RetryPolicy()
    with http_client(patience) as client:
        for ecosystem in options.ecosystems:
            url = f"{options.url.rstrip('/')}/{ecosystem}/all.zip"
            meter = Meter(f"advisories {ecosystem}", None)
            request = Request(url, limit_bytes=LARGEST_BYTES)
            try:
                Downloader(client, meter, patience).file(request, options.out / f"{ecosystem}.zip")
            except ModelError as error:
                print(f"{url}: {error}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
