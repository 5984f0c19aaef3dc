"""Read what a service's pyproject.toml declares about its models."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.errors import ModelError

REQUIRED_FILES: Final = ("config.json", "model.safetensors", "tokenizer.json")
OPTIONAL_FILES: Final = (
    "1_Pooling/config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer_config.json",
)
"""Taken where the source has them when a model declares no files."""


@dataclass(frozen=True, slots=True)
class DeclaredModel:
    """One `[tool.wheelhouse.models.NAME]` table, with the exports variants ask for."""

    name: str
    sources: tuple[str, ...]
    files: tuple[str, ...]
    """Paths inside the model; empty for the usual ones."""
    exports: tuple[str, ...]
    licence: str | None = None
    """SPDX identifier where the source does not tell."""


def read_declared(path: Path) -> list[DeclaredModel]:
    """Return the declared models, sorted by name.

    Raises:
        ModelError: no TOML, or a model without a source.

    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name}: expected a TOML file: {error}") from error
    service = tables.get("tool", {}).get("wheelhouse", {})
    variants = service.get("variants", {}).values()
    models = service.get("models", {})
    return [_declared(name, models[name], list(variants)) for name in sorted(models)]


def _declared(name: str, table: dict[str, Any], variants: list[dict[str, Any]]) -> DeclaredModel:
    if not isinstance(table.get("source"), str):
        raise ModelError(
            f'[tool.wheelhouse.models.{name}] has no source, expected e.g. "hf://owner/name@<commit>"'
        )
    default = table.get("export", "onnx-int8")
    users = [variant for variant in variants if name in variant.get("models", ())]
    asked = [default if default == "files" else variant.get("export") or default for variant in users]
    return DeclaredModel(
        name=name,
        sources=(table["source"], *table.get("mirrors", ())),
        files=tuple(table.get("files", ())),
        exports=tuple(sorted({default, *asked})),
        licence=table.get("licence"),
    )
