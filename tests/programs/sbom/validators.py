"""What others say about a list: the validators of CycloneDX 1.6 and SPDX 2.3."""

import subprocess
from pathlib import Path
from typing import Final

REQUIREMENTS: Final = Path(__file__).with_name("validators.txt")
CYCLONEDX: Final = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(found) if found else 0)
"""
SPDX: Final = """
import sys
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
found = validate_full_spdx_document(parse_file(sys.argv[1]))
sys.exit("\\n".join(one.validation_message for one in found) or 0)
"""


def complaint(python: Path, document: Path) -> str:
    """Return what the validator of a list's format has against it; "" for nothing.

    Args:
        python: an interpreter with the packages of REQUIREMENTS.
        document: `….spdx.json`, or CycloneDX under another name.

    """
    code = SPDX if document.name.endswith(".spdx.json") else CYCLONEDX
    done = subprocess.run(
        [str(python), "-c", code, str(document)], check=False, capture_output=True, text=True
    )
    return done.stderr.strip() or ("" if done.returncode == 0 else f"exit status {done.returncode}")
