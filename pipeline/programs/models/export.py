"""Export one fetched model to what the runtime loads, and prove it.

`python -m models.export --model-dir /in --recipe onnx-int8 --out /layer/models/minilm --layer /layer`

OUT gets the files that an image ships. The gate's numbers are not part of a layer: their last digits differ
between processors. With --layer every time below that folder is fixed.
"""

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tree_times import fix_times

from models.atomic_copy import file_entry, publish, write_json
from models.calibrate import measure_reaches
from models.checkpoint import Encoder, Weights, describe_encoder, read_encoder, read_json
from models.encoder import build_model, input_names, normalised_signals, output_name
from models.errors import exit_status
from models.gate import Likeness, Subject, compare, read_texts, require
from models.gate_pairs import compare_pairs
from models.graph import MODEL_FILE, model_bytes, save_model
from models.heads import OUTPUT
from models.hub_layout import lay_out
from models.pooling import Pooling, read_pooling
from models.precisions import FLOATING, Int8, Precision
from models.ready import ReadyModel, find_ready
from models.recipes import EXPORTER, PROVENANCE, RECIPES
from models.session import Session, tokenise
from models.tokenizer import prepared_tokenizer, text_length

REPORT = "report.json"
NO_REFERENCE = "Skipped: no safetensors next to the ready-made model to compare it with"


@dataclass(frozen=True, slots=True)
class Job:
    """One export: from where, to what, into a directory that is published at its end."""

    directory: Path
    recipe: str
    stage: Path

    @property
    def precision(self) -> str:
        """Return fp32, fp16 or int8."""
        return self.recipe.removeprefix("onnx-")


@dataclass(frozen=True, slots=True)
class Setup:
    """What every ONNX export reads besides the weights."""

    encoder: Encoder
    pooling: Pooling
    tokenizer: Tokenizer
    length: int
    """Longest text in tokens."""

    @classmethod
    def load(cls, directory: Path, encoder: Encoder) -> "Setup":
        """Read pooling and tokenizer of an encoder."""
        pooling = read_pooling(directory)
        length = text_length(directory, encoder, pooling)
        return cls(encoder, pooling, prepared_tokenizer(directory, encoder, length), length)

    def judge(self, export: Session, reference: Session, output: str) -> Likeness:
        """Measure how close an export is to the reference, by what the model is for."""
        if self.encoder.ranks_pairs:
            return compare_pairs(export, reference, self.tokenizer)
        expected = Subject(reference, OUTPUT, self.pooling)
        return compare(Subject(export, output, self.pooling), expected, self.tokenizer)

    def reference(self, directory: Path) -> tuple[Weights, Any]:
        """Return the checkpoint's weights and its float32 model."""
        weights = Weights.load(directory, self.encoder.layout)
        return weights, build_model(self.encoder, weights, self.pooling, FLOATING["onnx-fp32"])


def export(job: Job) -> dict[str, Any]:
    """Fill the job's stage; return the report.

    Raises:
        ModelError: the model cannot be exported, or the gate refuses the export.

    """
    if job.recipe == "hub":
        lay_out(job.directory, job.stage)
        return {"gate": 'Skipped: export = "hub" keeps the files as they are'}
    if job.recipe == "files":
        keep_files(job.directory, job.stage)
        return {"gate": 'Skipped: export = "files" keeps the files as they are'}
    ready = find_ready(job.directory)
    return export_ready(job, ready) if ready else export_checkpoint(job)


def keep_files(directory: Path, stage: Path) -> None:
    """Copy the locked files as they are."""
    for file in read_json(directory / PROVENANCE)["files"]:
        (stage / file["path"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(directory / file["path"], stage / file["path"])


def export_checkpoint(job: Job) -> dict[str, Any]:
    """Build ONNX from safetensors and hold it against float32."""
    setup = Setup.load(job.directory, read_encoder(job.directory))
    weights, reference = setup.reference(job.directory)
    precision = _precision(setup, job.recipe, reference)
    size_bytes = save_model(build_model(setup.encoder, weights, setup.pooling, precision), job.stage)
    output = output_name(setup.encoder)
    likeness = setup.judge(Session(job.stage / MODEL_FILE), Session(model_bytes(reference)), output)
    describe(likeness, precision.name, size_bytes)
    require(likeness, precision.name)
    _describe_to_runtime(job, setup, {"inputs": input_names(setup.encoder), "outputs": [output]})
    return {"size_bytes": size_bytes, **likeness.report()}


def export_ready(job: Job, ready: ReadyModel) -> dict[str, Any]:
    """Take ONNX as it is, held against float32 where safetensors are next to it."""
    setup = Setup.load(job.directory, describe_encoder(read_json(job.directory / "config.json")))
    shutil.copyfile(ready.path, job.stage / MODEL_FILE)
    for path in ready.weights:
        (job.stage / path.relative_to(ready.path.parent)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, job.stage / path.relative_to(ready.path.parent))
    report: dict[str, Any] = {"gate": NO_REFERENCE}
    if any(job.directory.glob("*.safetensors")):
        read_encoder(job.directory)
        reference = setup.reference(job.directory)[1]
        likeness = setup.judge(Session(ready.path), Session(model_bytes(reference)), ready.output)
        describe(likeness, job.precision, ready.path.stat().st_size)
        require(likeness, job.precision)
        report = {"size_bytes": ready.path.stat().st_size, **likeness.report()}
    else:
        print(f"gate: {NO_REFERENCE}")
    pooled = {} if ready.pooled else {"pooled": False}
    _describe_to_runtime(job, setup, {"inputs": ready.inputs, "outputs": [ready.output], **pooled})
    return report


def describe(likeness: Likeness, precision: str, size_bytes: int) -> None:
    """Print the gate's numbers on stdout."""
    judged = (
        "" if likeness.ranks else "; Skipped: the reference ranks like chance, so rankings are not judged"
    )
    print(
        f"gate: {precision} {size_bytes / 1e6:.2f} MB, {likeness.texts} texts: "
        f"cosine mean {likeness.cosine_mean:.5f}, worst {likeness.cosine_worst:.5f} "
        f"(batched {likeness.batched_worst:.5f}), nDCG@10 {likeness.ndcg:.4f} "
        f"of {likeness.ndcg_reference:.4f} (loss {100 * likeness.ndcg_loss:.2f} %){judged}"
    )


def _precision(setup: Setup, recipe: str, reference: Any) -> Precision:
    if recipe in FLOATING:
        return FLOATING[recipe]
    lines = read_texts("calibration.txt")
    texts = tokenise(setup.tokenizer, list(pairwise(lines)) if setup.encoder.ranks_pairs else lines)
    return Int8(measure_reaches(reference, normalised_signals(setup.encoder), texts))


def _describe_to_runtime(job: Job, setup: Setup, signature: dict[str, Any]) -> None:
    """Write tokenizer.json and config.json next to the model."""
    setup.tokenizer.save(str(job.stage / "tokenizer.json"), pretty=False)
    files = sorted(path for path in job.stage.rglob("*") if path.is_file())
    pooling = {"pooling": setup.pooling.mode, "normalize": setup.pooling.normalize}
    if setup.encoder.ranks_pairs:
        pooling = {}
    prompts = {"prompts": setup.pooling.prompts} if setup.pooling.prompts else {}
    configuration = {
        "version": 1,
        "task": "rerank" if setup.encoder.ranks_pairs else "embedding",
        "architecture": setup.encoder.architecture,
        "hidden_size": setup.encoder.hidden,
        "max_length": setup.length,
        **pooling,
        "precision": job.precision,
        **signature,
        **prompts,
        "files": {str(path.relative_to(job.stage)): file_entry(path) for path in files},
    }
    write_json(job.stage / "config.json", configuration)


def run(directory: Path, recipe: str, out: Path, report_path: Path) -> None:
    """Export into a temporary place, then publish; `out` stays empty on failure.

    Models in the hub's layout share one folder, so the provenance goes into the folder of each.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as staging:
        job = Job(directory, recipe, Path(staging))
        report = {"exporter": EXPORTER, "recipe": recipe, **export(job)}
        if (directory / PROVENANCE).exists():
            home = next(job.stage.glob("models--*"), job.stage)
            shutil.copyfile(directory / PROVENANCE, home / PROVENANCE)
        publish(job.stage, out)
        write_json(report_path, report)
    print(f"export: {recipe} in {time.monotonic() - started:.1f} s", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, export, and return the exit status."""
    parser = argparse.ArgumentParser(prog="models.export")
    parser.add_argument("--model-dir", type=Path, required=True)
    parser.add_argument("--recipe", choices=RECIPES, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--report", type=Path, help=f"file for the gate's numbers; OUT/{REPORT} when left out"
    )
    parser.add_argument("--layer", type=Path, help="folder whose times are fixed at the end; OUT is in it")
    options = parser.parse_args(arguments)
    report = options.report or options.out / REPORT

    def work() -> None:
        run(options.model_dir, options.recipe, options.out, report)
        if options.layer:
            fix_times(options.layer)

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
