"""Name the export recipes and their version; imports nothing heavy."""

from typing import Final

EXPORTER: Final = "1"
"""Version of the recipes; changes when the exported bytes change."""
RECIPES: Final = ("onnx-fp32", "onnx-fp16", "onnx-int8", "hub", "files")
PROVENANCE: Final = "provenance.json"
"""File next to a fetched or exported model that says what it is."""
