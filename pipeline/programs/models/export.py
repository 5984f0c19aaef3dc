"""Export one fetched model to what the runtime loads, and prove it.

`python -m models.export --model-dir /in --recipe onnx-int8 --out /out`
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from models.calibrate import measure_reaches
from models.checkpoint import Encoder, Weights, read_encoder
from models.encoder import OUTPUT, build_model, input_names, normalised_signals
from models.errors import exit_status
from models.gate import Likeness, compare, read_texts, require
from models.graph import model_bytes
from models.pooling import Pooling, read_pooling
from models.precisions import FLOATING, Int8, Precision
from models.publish import file_entry, publish, write_json
from models.recipes import EXPORTER, RECIPES
from models.session import Session, tokenise
from models.tokenizer import prepared_tokenizer, text_length


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything read from a fetched model directory."""

    encoder: Encoder
    weights: Weights
    pooling: Pooling
    tokenizer: Tokenizer
    length: int
    """Longest text in tokens."""

    @classmethod
    def load(cls, directory: Path) -> "Checkpoint":
        """Read configuration, weights and tokenizer of a checkpoint."""
        encoder = read_encoder(directory)
        pooling = read_pooling(directory)
        length = text_length(directory, encoder, pooling)
        tokenizer = prepared_tokenizer(directory, encoder, length)
        return cls(encoder, Weights.load(directory, encoder.layout), pooling, tokenizer, length)

    def build(self, precision: Precision) -> Any:
        """Write the model in one precision."""
        return build_model(self.encoder, self.weights, self.pooling, precision)


def export(directory: Path, recipe: str, out: Path) -> None:
    """Export a model directory; `out` is filled only when the gate passes."""
    started = time.monotonic()
    checkpoint = Checkpoint.load(directory)
    reference = checkpoint.build(FLOATING["onnx-fp32"])
    precision = _precision(checkpoint, recipe, reference)
    with tempfile.TemporaryDirectory() as staging:
        stage = Path(staging)
        (stage / "model.onnx").write_bytes(model_bytes(checkpoint.build(precision)))
        checkpoint.tokenizer.save(str(stage / "tokenizer.json"), pretty=False)
        likeness = compare(
            Session(stage / "model.onnx"), Session(model_bytes(reference)), checkpoint.tokenizer
        )
        describe(likeness, precision.name, (stage / "model.onnx").stat().st_size)
        require(likeness, precision.name)
        write_json(stage / "config.json", _configuration(checkpoint, precision, stage))
        write_json(stage / "report.json", {"exporter": EXPORTER, "recipe": recipe, **likeness.report()})
        publish(stage, out)
    print(f"export: {recipe} in {time.monotonic() - started:.1f} s", file=sys.stderr)


def describe(likeness: Likeness, precision: str, size_bytes: int) -> None:
    """Print the gate's numbers on stdout."""
    print(
        f"gate: {precision} {size_bytes / 1e6:.2f} MB, {likeness.texts} texts: "
        f"cosine mean {likeness.cosine_mean:.5f}, worst {likeness.cosine_worst:.5f} "
        f"(batched {likeness.batched_worst:.5f}), nDCG@10 {likeness.ndcg:.4f} "
        f"of {likeness.ndcg_reference:.4f} (loss {100 * likeness.ndcg_loss:.2f} %)"
    )


def _precision(checkpoint: Checkpoint, recipe: str, reference: Any) -> Precision:
    if recipe in FLOATING:
        return FLOATING[recipe]
    texts = tokenise(checkpoint.tokenizer, read_texts("calibration.txt"))
    return Int8(measure_reaches(reference, normalised_signals(checkpoint.encoder), texts))


def _configuration(checkpoint: Checkpoint, precision: Precision, stage: Path) -> dict[str, Any]:
    encoder, pooling = checkpoint.encoder, checkpoint.pooling
    files = {name: file_entry(stage / name) for name in ("model.onnx", "tokenizer.json")}
    prompts = {"prompts": pooling.prompts} if pooling.prompts else {}
    return {
        "version": 1,
        "task": "embedding",
        "architecture": encoder.architecture,
        "hidden_size": encoder.hidden,
        "max_length": checkpoint.length,
        "pooling": pooling.mode,
        "normalize": pooling.normalize,
        "precision": precision.name,
        "inputs": input_names(encoder),
        "outputs": [OUTPUT],
        "files": files,
        **prompts,
    }


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, export, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="models.export", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--model-dir", type=Path, required=True)
    parser.add_argument("--recipe", choices=RECIPES, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    return exit_status(lambda: export(options.model_dir, options.recipe, options.out))


if __name__ == "__main__":
    sys.exit(main())
