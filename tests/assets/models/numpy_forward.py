"""An independent forward pass in numpy, and a comparison of an exported model with it.

Run in the programs' interpreter: `numpy_forward.py CHECKPOINT EXPORT TEXT…` prints JSON.
Written from the papers' formulas; shares nothing with the exporter.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import load_file
from tokenizers import Tokenizer

ERF = np.vectorize(math.erf, otypes=[np.float64])


def normalised(x, gain, bias, epsilon):
    """Return layer normalisation over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * gain + bias


def activated(x, name):
    """Return the named activation."""
    if name == "relu":
        return np.maximum(x, 0)
    if name == "gelu_new":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + ERF(x / math.sqrt(2)))


class Reference:
    """One checkpoint, float64."""

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        self.kind = self.config["model_type"]
        tensors = load_file(folder / "model.safetensors")
        prefix = "roberta." if self.kind == "xlm-roberta" else f"{self.kind}."
        self.w = {k.removeprefix(prefix): v.astype(np.float64) for k, v in tensors.items()}
        self.epsilon = self.config.get("layer_norm_eps", 1e-12)

    def linear(self, x, name):
        """Return x W^T + b."""
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def norm(self, x, name):
        """Return the named normalisation."""
        return normalised(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"], self.epsilon)

    def tokens(self, ids, types=None):
        """Return the last layer for one text, (t, hidden)."""
        pad = self.config.get("pad_token_id", 0)
        first = pad + 1 if self.kind in ("roberta", "xlm-roberta") else 0
        e = "embeddings."
        x = self.w[e + "word_embeddings.weight"][ids]
        x = x + self.w[e + "position_embeddings.weight"][first : first + len(ids)]
        if e + "token_type_embeddings.weight" in self.w:
            segments = self.w[e + "token_type_embeddings.weight"]
            x = x + (segments[types] if types is not None and len(segments) > 1 else segments[0])
        x = self.norm(x, e + "LayerNorm")
        layers = self.config.get("num_hidden_layers") or self.config["n_layers"]
        for i in range(layers):
            x = self.distil_layer(x, i) if self.kind == "distilbert" else self.bert_layer(x, i)
        return x

    def bert_layer(self, x, i):
        """Return one layer of BERT or RoBERTa."""
        at = f"encoder.layer.{i}."
        q, k, v = (self.linear(x, f"{at}attention.self.{n}") for n in ("query", "key", "value"))
        mixed = self.linear(self.attend(q, k, v), at + "attention.output.dense")
        x = self.norm(x + mixed, at + "attention.output.LayerNorm")
        wide = activated(self.linear(x, at + "intermediate.dense"), self.config["hidden_act"])
        return self.norm(x + self.linear(wide, at + "output.dense"), at + "output.LayerNorm")

    def distil_layer(self, x, i):
        """Return one layer of DistilBERT."""
        at = f"transformer.layer.{i}."
        q, k, v = (self.linear(x, f"{at}attention.{n}_lin") for n in "qkv")
        x = self.norm(x + self.linear(self.attend(q, k, v), at + "attention.out_lin"), at + "sa_layer_norm")
        wide = activated(self.linear(x, at + "ffn.lin1"), self.config["activation"])
        return self.norm(x + self.linear(wide, at + "ffn.lin2"), at + "output_layer_norm")

    def attend(self, q, k, v):
        """Return softmax(q k^T / sqrt(d)) v over all heads."""
        heads = self.config.get("num_attention_heads") or self.config["n_heads"]
        split = [m.reshape(len(m), heads, -1).transpose(1, 0, 2) for m in (q, k, v)]
        scores = split[0] @ split[1].transpose(0, 2, 1) / math.sqrt(split[0].shape[-1])
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True)) @ split[2]
        return mixed.transpose(1, 0, 2).reshape(len(q), -1)


def pooled(x, mode, normalize):
    """Return one vector for one text."""
    vector = {"mean": x.mean(0), "cls": x[0], "max": x.max(0)}[mode]
    return vector / np.linalg.norm(vector) if normalize else vector


def scored(reference, ids, types):
    """Return the logits of one pair."""
    w = reference.w
    x = reference.tokens(ids, types)[0]
    if reference.kind == "distilbert":
        x = np.maximum(reference.linear(x, "pre_classifier"), 0)
        return reference.linear(x, "classifier")
    first, last = ("pooler.dense", "classifier")
    if "classifier.dense.weight" in w:
        first, last = ("classifier.dense", "classifier.out_proj")
    return reference.linear(np.tanh(reference.linear(x, first)), last)


def main(checkpoint, export, texts):
    """Print the largest difference and the smallest cosine over texts, alone and as one batch."""
    card = json.loads((export / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(export / "tokenizer.json"))
    session = onnxruntime.InferenceSession(export / "model.onnx", providers=["CPUExecutionProvider"])
    reference = Reference(checkpoint)
    ranks = card["task"] == "rerank"
    encodings = tokenizer.encode_batch(list(zip(texts, texts[1:])) if ranks else texts)
    columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    feed = {n: np.array([getattr(e, columns[n]) for e in encodings], np.int64) for n in card["inputs"]}
    found = session.run(card["outputs"], feed)[0].astype(np.float64)
    if ranks:
        kept = [sum(e.attention_mask) for e in encodings]
        pairs = [(e.ids[:n], e.type_ids[:n]) for e, n in zip(encodings, kept, strict=True)]
        expected = np.array([scored(reference, *pair) for pair in pairs])
        sys.stdout.write(json.dumps({"difference": float(np.abs(found - expected).max())}))
        return
    real = [[t for t, kept in zip(e.ids, e.attention_mask, strict=True) if kept] for e in encodings]
    expected = np.array([pooled(reference.tokens(ids), card["pooling"], card["normalize"]) for ids in real])
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    worst = float(((found * expected).sum(1) / norms).min())
    sys.stdout.write(json.dumps({"difference": float(np.abs(found - expected).max()), "cosine": worst}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
