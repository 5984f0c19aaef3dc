"""Write a small checkpoint with random weights and a real tokenizer trained on a few sentences.

Run in the programs' interpreter: `make_checkpoint.py FOLDER FAMILY [POOLING] [ACTIVATION]`.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HIDDEN, LAYERS, HEADS, WIDE, ROWS, VOCABULARY = 64, 3, 4, 256, 130, 300
CORPUS = Path(__file__).parents[3] / "pipeline" / "programs" / "models" / "data" / "corpus.txt"


def train(special):
    """Return a byte-level BPE tokenizer whose special tokens come first, in this order."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS.read_text(encoding="utf-8").splitlines(), trainer)
    start, end = special[0], special[2]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B:1 {end}:1", special_tokens=[(start, 0), (end, 2)]
    )
    return tokenizer


def tensors(family):
    """Return random weights under the family's own names."""
    random = np.random.default_rng(7)
    w = {}

    def linear(name, inner, outer):
        w[f"{name}.weight"] = random.normal(0, 0.12, (outer, inner)).astype(np.float32)
        w[f"{name}.bias"] = random.normal(0, 0.05, outer).astype(np.float32)

    def norm(name):
        w[f"{name}.weight"] = random.normal(1, 0.1, HIDDEN).astype(np.float32)
        w[f"{name}.bias"] = random.normal(0, 0.1, HIDDEN).astype(np.float32)

    tables = {"word": VOCABULARY, "position": ROWS}
    if family != "distilbert":
        tables["token_type"] = 1 if family == "roberta" else 2
    for kind, rows in tables.items():
        table = random.normal(0, 0.5, (rows, HIDDEN))
        w[f"embeddings.{kind}_embeddings.weight"] = table.astype(np.float32)
    norm("embeddings.LayerNorm")
    distil = family == "distilbert"
    for i in range(LAYERS):
        at = f"transformer.layer.{i}." if distil else f"encoder.layer.{i}."
        parts = ["q_lin", "k_lin", "v_lin", "out_lin"] if distil else ["self.query", "self.key", "self.value"]
        for part in [*parts, *([] if distil else ["output.dense"])]:
            linear(f"{at}attention.{part}", HIDDEN, HIDDEN)
        norm(at + ("sa_layer_norm" if distil else "attention.output.LayerNorm"))
        linear(at + ("ffn.lin1" if distil else "intermediate.dense"), HIDDEN, WIDE)
        linear(at + ("ffn.lin2" if distil else "output.dense"), WIDE, HIDDEN)
        norm(at + ("output_layer_norm" if distil else "output.LayerNorm"))
    return w


def classifier(family):
    """Return the layers of a model that scores pairs, under the family's own names."""
    random = np.random.default_rng(11)
    first = {"bert": "bert.pooler.dense", "distilbert": "pre_classifier"}.get(family, "classifier.dense")
    last = "classifier" if family in ("bert", "distilbert") else "classifier.out_proj"
    w = {}
    for name, width in ((first, HIDDEN), (last, 1)):
        w[f"{name}.weight"] = random.normal(0, 0.2, (width, HIDDEN)).astype(np.float32)
        w[f"{name}.bias"] = random.normal(0, 0.05, width).astype(np.float32)
    return w


def configuration(family, activation):
    """Return the family's config.json."""
    if family == "distilbert":
        sizes = {"dim": HIDDEN, "n_layers": LAYERS, "n_heads": HEADS, "activation": activation}
    else:
        sizes = {"hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
        sizes |= {"hidden_act": activation, "type_vocab_size": 1 if family == "roberta" else 2}
        sizes |= {"layer_norm_eps": 1e-5}
    return {
        "model_type": family,
        "architectures": [f"{family}Model"],
        "pad_token_id": 1,
        "max_position_embeddings": ROWS,
        **sizes,
    }


def main(folder, family, pooling="mean", activation="gelu"):
    """Write the checkpoint."""
    (folder / "1_Pooling").mkdir(parents=True)
    ranks = pooling == "pairs"
    prefix = {"bert": "bert." if ranks else "", "xlm-roberta": "roberta."}.get(family, f"{family}.")
    named = {prefix + name: array for name, array in tensors(family).items()}
    named |= classifier(family) if ranks else {}
    save_file(named, folder / "model.safetensors")
    train(["<s>", "<pad>", "</s>", "<unk>"]).save(str(folder / "tokenizer.json"))
    config = configuration(family, activation)
    if ranks:
        config["architectures"] = [f"{family}ForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(config))
    if ranks:
        return
    kinds = ["Transformer", "Pooling", "Normalize"]
    modules = [{"idx": i, "path": f"{i}_{k}" if i else "", "type": f"st.{k}"} for i, k in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    flags = {f"pooling_mode_{name}": False for name in ("cls_token", "mean_tokens", "max_tokens")}
    flags[f"pooling_mode_{pooling}_{'token' if pooling == 'cls' else 'tokens'}"] = True
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(flags))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
