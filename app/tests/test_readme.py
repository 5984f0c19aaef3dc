"""README: its table is the settings, its endpoints are the routes."""

from pathlib import Path

import pytest
from rag.main import create_app
from rag.settings import Settings

README = Path(__file__).parents[1] / "README.md"

pytestmark = pytest.mark.skipif(not README.is_file(), reason="the README is not part of the image")


def row(name: str) -> str:
    """Write the table row of a setting."""
    item = Settings.model_fields[name]
    default = "" if item.default in (None, "") else f"`{item.default}`"
    return f"| `{name.upper()}` | {default} | {item.description} |"


def test_every_setting_is_in_the_table_with_its_default():
    """The table is what the code does."""
    text = README.read_text()

    assert [name for name in Settings.model_fields if row(name) not in text] == []


def test_every_endpoint_is_shown():
    """No route without a line."""
    app = create_app(Settings(embedder="upstream"))
    paths = set(app.openapi()["paths"])

    assert [path for path in paths if path.partition("{")[0] not in README.read_text()] == []
