"""Judge an image by its files and its configuration; nothing of it is started.

    python3 -m verify.static --archive RAW --packed ZSTD --facts FILE --lock FILE --wheels DIR
        [--models-lock FILE] [--canary FILE]… --out FILE

RAW and ZSTD are OCI archives of the image, with uncompressed and with zstd layers. FACTS is the JSON
object of `verify.subject.Facts`. Every word of a CANARY file that is long enough must be nowhere in
the image. Writes the verdicts as a JSON list; exit status 0 whatever they are.
"""

import argparse
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from lib.oci_archive import opened

from verify import bytecode, configuration, distributions, files, libraries, licences, models, secrets, sizes
from verify.image import Image
from verify.subject import Facts, Subject
from verify.verdict import Verdict, judged

ROOMS = (configuration, files, libraries, distributions, bytecode, licences, models, secrets, sizes)


def main() -> int:
    """Write the verdicts."""
    options = _options()
    verdicts = verdicts_of(subject_of(options))
    options.out.write_text(json.dumps([verdict.line for verdict in verdicts], indent=1))
    return 0


def verdicts_of(subject: Subject) -> list[Verdict]:
    """Return the verdict about every promise that files and configuration can keep."""
    return [verdict for room in ROOMS for verdict in judged(room.PROMISES, subject)]


def subject_of(options: argparse.Namespace) -> Subject:
    """Return what the files of the command line say."""
    facts = {key: _frozen(value) for key, value in json.loads(options.facts.read_text()).items()}
    models_lock = tomllib.loads(options.models_lock.read_text()) if options.models_lock else {}
    words = [word for canary in options.canary for word in canary.read_bytes().split()]
    return Subject(
        image=Image.read(options.archive),
        facts=Facts(**facts),
        lock=options.lock.read_text(),
        wheels=options.wheels,
        models_lock=models_lock,
        compressed_bytes=_layers_bytes(options.packed),
        canaries=tuple(dict.fromkeys(words)),
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _layers_bytes(archive: Path) -> int:
    """Return the sum of the layers' sizes as an archive's manifest has them."""
    with opened(archive) as image:
        return sum(layer["size"] for layer in image.layers)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--archive", "--packed", "--facts", "--lock", "--wheels", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--models-lock", type=Path)
    parser.add_argument("--canary", type=Path, action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
