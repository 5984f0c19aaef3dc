"""Read how token vectors become one vector: pooling, norm, length, prompts."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from models.checkpoint import ADVICE, read_json
from models.errors import ModelError, Unsupported

MODES: Final = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


@dataclass(frozen=True, slots=True)
class Pooling:
    """The steps that sentence-transformers runs after the encoder."""

    mode: str = "mean"
    """mean, cls or max over the tokens of a text."""
    normalize: bool = True
    """True when vectors are scaled to length 1."""
    max_length: int | None = None
    """Longest text in tokens, None when not declared."""
    prompts: dict[str, str] = field(default_factory=dict)
    """Texts to put before a query or a passage, as E5 wants."""


def read_pooling(directory: Path) -> Pooling:
    """Read the sentence-transformers files; mean and normalised without them.

    Raises:
        Unsupported: a module or pooling mode that the graph cannot express.

    """
    length = _optional(directory / "sentence_bert_config.json").get("max_seq_length")
    prompts = _optional(directory / "config_sentence_transformers.json").get("prompts") or {}
    modules = _modules(directory / "modules.json")
    if modules is None:
        return Pooling(max_length=length, prompts=prompts)
    kinds = [str(module.get("type", "")).rsplit(".", 1)[-1] for module in modules]
    unknown = sorted(set(kinds) - {"Transformer", "Pooling", "Normalize"})
    if unknown:
        raise Unsupported(f"modules.json: module {', '.join(unknown)} cannot be exported. {ADVICE}")
    mode = "mean"
    if "Pooling" in kinds:
        mode = _mode(directory / modules[kinds.index("Pooling")].get("path", "1_Pooling") / "config.json")
    return Pooling(mode, "Normalize" in kinds, length, prompts)


def _mode(path: Path) -> str:
    config = read_json(path)
    if isinstance(config.get("pooling_mode"), str):
        chosen = [config["pooling_mode"]]
    else:
        flags = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
        chosen = [MODES.get(flag, flag) for flag in flags]
    if len(chosen) != 1 or chosen[0] not in MODES.values():
        raise Unsupported(
            f"{path.parent.name}/{path.name}: pooling {chosen}, expected one of mean, cls, max. {ADVICE}"
        )
    return str(chosen[0])


def _modules(path: Path) -> list[dict[str, Any]] | None:
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"modules.json: expected a JSON list, found {error}") from error
    if not isinstance(found, list) or not all(isinstance(module, dict) for module in found):
        raise ModelError("modules.json: expected a JSON list of objects")
    return found


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}
