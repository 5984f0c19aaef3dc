"""Read an encoder's config.json and safetensors into one plain description."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import safe_open

from models.errors import ModelError, Unsupported

ADVICE: Final = 'Use export = "hub" with a service that loads it itself, or declare a ready-made model.onnx.'
ACTIVATIONS: Final = {
    "gelu": "BiasGelu",
    "gelu_new": "FastGelu",
    "gelu_pytorch_tanh": "FastGelu",
    "relu": "Relu",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a family of encoders keeps its weights."""

    prefixes: tuple[str, ...]
    """What may stand before every name, by the class that saved the checkpoint."""
    layer: str
    """Start of the names of layer {i}."""
    query: str
    key: str
    value: str
    attended: str
    attention_norm: str
    widen: str
    narrow: str
    output_norm: str
    head: tuple[tuple[str, str], ...]
    """Layers of a classifier on the first token, each with its activation; "" for none."""


BERT: Final = Layout(
    prefixes=("", "bert.", "roberta.", "model."),
    layer="encoder.layer.{i}.",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attended="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    widen="intermediate.dense",
    narrow="output.dense",
    output_norm="output.LayerNorm",
    head=(("pooler.dense", "Tanh"), ("classifier", "")),
)
ROBERTA: Final = replace(BERT, head=(("classifier.dense", "Tanh"), ("classifier.out_proj", "")))
DISTILBERT: Final = Layout(
    prefixes=("", "distilbert."),
    layer="transformer.layer.{i}.",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attended="attention.out_lin",
    attention_norm="sa_layer_norm",
    widen="ffn.lin1",
    narrow="ffn.lin2",
    output_norm="output_layer_norm",
    head=(("pre_classifier", "Relu"), ("classifier", "")),
)
FAMILIES: Final = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "camembert": ROBERTA,
    "distilbert": DISTILBERT,
}
RANKER: Final = "ForSequenceClassification"
EMBEDDERS: Final = ("Model", "ForMaskedLM", "ForPreTraining")
"""Ends of class names whose checkpoints hold an encoder and nothing that is left out."""
KEYS: Final = ("hidden_size", "num_hidden_layers", "num_attention_heads")
DISTILBERT_KEYS: Final = ("dim", "n_layers", "n_heads")
OFFSET_FAMILIES: Final = frozenset({"roberta", "xlm-roberta", "camembert"})
"""Families that number positions from pad_token_id + 1 and skip padding."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """What the graph builder needs to know about one encoder."""

    architecture: str
    family: str
    hidden: int
    layers: int
    heads: int
    epsilon: float
    activation: str
    """Fused operator of the activation function; "" when the exporter knows none."""
    pad_id: int
    positions: int
    """Longest text in tokens that the position table allows."""
    segments: bool
    """True when token_type_ids are an input."""

    @property
    def layout(self) -> Layout:
        """Return where this family keeps its weights."""
        return FAMILIES[self.family]

    @property
    def ranks_pairs(self) -> bool:
        """Tell whether the model scores a pair of texts instead of embedding one."""
        return self.architecture.endswith(RANKER)

    @property
    def offset(self) -> int | None:
        """Return the number before the first position, None when it is 0."""
        return self.pad_id if self.family in OFFSET_FAMILIES else None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raise ModelError naming the file otherwise."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name}: expected a JSON object, found {error}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path.name}: expected a JSON object, found {type(found).__name__}")
    return found


def read_encoder(directory: Path) -> Encoder:
    """Describe the encoder of a checkpoint that the exporter can build.

    Raises:
        Unsupported: a family, activation or position scheme the exporter lacks.

    """
    config = read_json(directory / "config.json")
    encoder = describe_encoder(config)
    _require_known(config, encoder)
    return encoder


def describe_encoder(config: dict[str, Any]) -> Encoder:
    """Describe any encoder from its config.json, as far as it tells.

    Raises:
        ModelError: a number is missing.

    """
    family = str(config.get("model_type", "missing"))
    names = DISTILBERT_KEYS if family == "distilbert" else KEYS
    missing = [key for key in (*names, "max_position_embeddings") if not isinstance(config.get(key), int)]
    if missing:
        raise ModelError(f"config.json: {', '.join(missing)} must be set. {ADVICE}")
    hidden, layers, heads = (int(config[key]) for key in names)
    pad = int(config.get("pad_token_id") or 0)
    rows = int(config["max_position_embeddings"])
    return Encoder(
        architecture=str((config.get("architectures") or [family])[0]),
        family=family,
        hidden=hidden,
        layers=layers,
        heads=heads,
        epsilon=float(config.get("layer_norm_eps", 1e-12)),
        activation=ACTIVATIONS.get(_activation(config), ""),
        pad_id=pad,
        positions=rows - pad - 1 if family in OFFSET_FAMILIES else rows,
        segments=int(config.get("type_vocab_size", 0)) > 1,
    )


def _activation(config: dict[str, Any]) -> str:
    return str(config.get("hidden_act", config.get("activation", "gelu")))


def _require_known(config: dict[str, Any], encoder: Encoder) -> None:
    name = encoder.architecture
    if encoder.family not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise Unsupported(
            f"unsupported architecture {name} (model_type {encoder.family!r}), "
            f"expected one of {known}. {ADVICE}"
        )
    if not encoder.activation:
        raise Unsupported(
            f"{name}: hidden_act {_activation(config)!r}, known: {sorted(ACTIVATIONS)}. {ADVICE}"
        )
    if not name.endswith((*EMBEDDERS, RANKER)):
        raise Unsupported(
            f"{name}: expected a class that ends in {', '.join((*EMBEDDERS, RANKER))}. {ADVICE}"
        )
    scheme = config.get("position_embedding_type")
    if scheme not in (None, "absolute"):
        raise Unsupported(f"{name}: position_embedding_type {scheme!r}, expected 'absolute'. {ADVICE}")


def _read_tensors(file: Path) -> dict[str, Any]:
    try:
        with safe_open(file, framework="np") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:  # the library raises its own class for every fault
        raise ModelError(f"{file.name}: not readable safetensors: {error}") from error


class Weights:
    """Float32 tensors of a checkpoint, by their name without prefix."""

    def __init__(self, tensors: dict[str, Any], prefix: str) -> None:
        self._tensors = tensors
        self._prefix = prefix

    @classmethod
    def load(cls, directory: Path, layout: Layout) -> "Weights":
        """Read every *.safetensors file of a directory.

        Raises:
            ModelError: no such file, or no word embeddings under a known name.

        """
        files = sorted(directory.glob("*.safetensors"))
        if not files:
            raise ModelError(
                f"no *.safetensors among {sorted(p.name for p in directory.iterdir())}. {ADVICE}"
            )
        tensors: dict[str, Any] = {}
        for file in files:
            tensors |= _read_tensors(file)
        for prefix in layout.prefixes:
            if f"{prefix}embeddings.word_embeddings.weight" in tensors:
                return cls(tensors, prefix)
        raise Unsupported(f"no word embeddings among {sorted(tensors)[:3]} … in {files[0].name}. {ADVICE}")

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._tensors

    def __getitem__(self, name: str) -> Any:
        for full in (self._prefix + name, name):
            if full in self._tensors:
                return self._tensors[full].astype(np.float32)
        raise Unsupported(f"the checkpoint lacks {self._prefix + name}. {ADVICE}")

    def linear(self, name: str) -> tuple[Any, Any]:
        """Return weight (in, out) and bias (out,) of a linear layer."""
        return self[f"{name}.weight"].T, self[f"{name}.bias"]

    def norm(self, name: str) -> tuple[Any, Any]:
        """Return gain and bias (width,) of a layer normalisation."""
        return self[f"{name}.weight"], self[f"{name}.bias"]
