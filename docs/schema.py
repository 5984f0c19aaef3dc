"""Write docs/wheelhouse.schema.json: the JSON Schema of `[tool.wheelhouse]`, from the classes that check it.

`python docs/schema.py` updates it; a test compares.
"""

import json
from pathlib import Path

from pipeline.config_tables import ServiceConfig

FILE = "wheelhouse.schema.json"


def page() -> str:
    """Return the schema of the table, as editors and `validate-pyproject` read it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "[tool.wheelhouse]",
        "description": "What a Python service declares about its container images.",
    }
    generated = ServiceConfig.model_json_schema()
    return json.dumps(generated | schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / FILE).write_text(page())
