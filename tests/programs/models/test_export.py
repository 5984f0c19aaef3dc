"""Export: safetensors become small ONNX that is proven against an independent forward pass."""

import json
import shutil
from pathlib import Path

import pytest

from tests.programs.models.interpreter import ROOT, Programs

pytestmark = pytest.mark.slow
HERE = ROOT / "tests" / "assets" / "models"
TEXTS = ("hello", "A longer sentence about nothing at all, with commas.", "Ünïcödé 文字", "x " * 300)
FAMILIES = [
    ("bert", "mean", "gelu"),
    ("bert", "cls", "gelu_new"),
    ("roberta", "mean", "gelu"),
    ("xlm-roberta", "cls", "gelu"),
    ("distilbert", "max", "relu"),
]


@pytest.fixture(scope="module", params=FAMILIES, ids="-".join)
def checkpoint(
    request: pytest.FixtureRequest, programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Make a small checkpoint of one family with random weights and a real tokenizer."""
    folder = tmp_path_factory.mktemp("checkpoint") / "model"
    made = programs.run(HERE / "make_checkpoint.py", folder, *request.param)
    assert made.returncode == 0, made.stderr
    return folder


def export(programs: Programs, folder: Path, recipe: str, out: Path) -> str:
    """Export and return what was printed; the export must succeed."""
    done = programs.run("-m", "models.export", "--model-dir", folder, "--recipe", recipe, "--out", out)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def compared(programs: Programs, folder: Path, out: Path) -> dict[str, float]:
    """Compare an export with numpy over texts of one padded batch."""
    done = programs.run(HERE / "numpy_forward.py", folder, out, *TEXTS)
    assert done.returncode == 0, done.stderr
    numbers: dict[str, float] = json.loads(done.stdout)
    return numbers


def test_every_family_equals_the_numpy_forward_pass(
    programs: Programs, checkpoint: Path, tmp_path: Path
) -> None:
    """BERT, RoBERTa, XLM-R and DistilBERT with their pooling agree with numpy to rounding."""
    export(programs, checkpoint, "onnx-fp32", tmp_path / "out")

    assert compared(programs, checkpoint, tmp_path / "out")["difference"] < 2e-6


def test_every_family_is_exported_in_half_precision(
    programs: Programs, checkpoint: Path, tmp_path: Path
) -> None:
    """The fp16 export passes its gate and agrees with numpy."""
    export(programs, checkpoint, "onnx-fp16", tmp_path / "out")

    assert compared(programs, checkpoint, tmp_path / "out")["cosine"] > 0.9999


def test_every_family_is_exported_in_int8(programs: Programs, checkpoint: Path, tmp_path: Path) -> None:
    """The int8 export passes its gate and agrees with numpy."""
    export(programs, checkpoint, "onnx-int8", tmp_path / "out")

    assert compared(programs, checkpoint, tmp_path / "out")["cosine"] > 0.985


@pytest.fixture(scope="module")
def bert(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one small BERT checkpoint."""
    folder = tmp_path_factory.mktemp("bert") / "model"
    assert programs.run(HERE / "make_checkpoint.py", folder, "bert").returncode == 0
    return folder


def refused(programs: Programs, folder: Path, out: Path, recipe: str = "onnx-fp32") -> str:
    """Export something that must be refused; return the message."""
    done = programs.run("-m", "models.export", "--model-dir", folder, "--recipe", recipe, "--out", out)
    assert done.returncode == 1, done.stderr
    assert not out.exists()
    assert "Traceback" not in done.stderr
    return done.stderr


def changed(folder: Path, copy: Path, **changes: object) -> Path:
    """Copy a checkpoint with other values in its config.json."""
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text()) | changes
    (copy / "config.json").write_text(json.dumps(config))
    return copy


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_rerankers_score_pairs_as_numpy_does(programs: Programs, tmp_path: Path, family: str) -> None:
    """A sequence classifier is exported with its head, as a model that ranks pairs."""
    folder = tmp_path / "model"
    made = programs.run(HERE / "make_checkpoint.py", folder, family, "pairs")
    assert made.returncode == 0, made.stderr
    export(programs, folder, "onnx-fp32", tmp_path / "out")

    assert compared(programs, folder, tmp_path / "out")["difference"] < 5e-6
    card = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (card["task"], card["outputs"]) == ("rerank", ["logits"])


def test_rerankers_are_gated_in_int8(programs: Programs, tmp_path: Path) -> None:
    """The int8 re-ranker passes the same limits on how it tells passages apart."""
    programs.run(HERE / "make_checkpoint.py", tmp_path / "model", "bert", "pairs")
    export(programs, tmp_path / "model", "onnx-int8", tmp_path / "out")

    assert json.loads((tmp_path / "out" / "report.json").read_text())["cosine_worst"] >= 0.985


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "mpnet", "architectures": ["MPNetModel"]}, "unsupported architecture MPNetModel"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"hidden_act": "swish"}, "swish"),
        ({"architectures": ["BertForTokenClassification"]}, "BertForTokenClassification"),
        ({"hidden_size": None}, "hidden_size must be set"),
        ({"num_hidden_layers": 9}, "lacks encoder.layer.8"),
    ],
)
def test_unsupported_models_are_named(
    programs: Programs, bert: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """What the exporter lacks is named, with export = "hub" and ready-made ONNX as ways out."""
    printed = refused(programs, changed(bert, tmp_path / "model", **changes), tmp_path / "out")

    assert message in printed
    assert 'export = "hub"' in printed
    assert "model.onnx" in printed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 96}, "config.json says (96, 96)"),
        ({"num_attention_heads": 7}, "do not divide"),
    ],
)
def test_sizes_that_contradict_are_named(
    programs: Programs, bert: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """A config.json that does not fit the weights is told so, with both sizes."""
    assert message in refused(programs, changed(bert, tmp_path / "model", **changes), tmp_path / "out")


@pytest.mark.parametrize(
    "broken",
    [
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{}      ", "no word embeddings"),
        ("model.safetensors", b"short", "not readable safetensors"),
        ("tokenizer.json", b"{}", "cannot read it"),
        ("config.json", b"[]", "expected a JSON object"),
        ("modules.json", b'[{"type": "x.Dense"}]', "module Dense cannot be exported"),
        ("1_Pooling/config.json", b'{"pooling_mode": "lasttoken"}', "lasttoken"),
        ("model.onnx", b"\x08\x08", "model.onnx"),
    ],
)
def test_broken_files_are_named(
    programs: Programs, bert: Path, tmp_path: Path, broken: tuple[str, bytes, str]
) -> None:
    """A file that cannot be used stops with its name and no traceback."""
    name, data, message = broken
    folder = changed(bert, tmp_path / "model")
    (folder / name).write_bytes(data)

    assert message in refused(programs, folder, tmp_path / "out")


def test_ready_made_model_is_taken_as_it_is(programs: Programs, bert: Path, tmp_path: Path) -> None:
    """ONNX beside its safetensors goes through the same gate and keeps its bytes."""
    export(programs, bert, "onnx-fp32", tmp_path / "made")
    folder = changed(bert, tmp_path / "model")
    for name in ("model.onnx", "model.onnx.data"):
        shutil.copy(tmp_path / "made" / name, folder / name)

    assert "gate: fp32" in export(programs, folder, "onnx-fp32", tmp_path / "out")
    made, taken = (tmp_path / place / "model.onnx" for place in ("made", "out"))
    assert made.read_bytes() == taken.read_bytes()


def test_ready_made_model_of_other_weights_fails_the_gate(
    programs: Programs, bert: Path, tmp_path: Path
) -> None:
    """A model unlike its reference is refused with what was measured and what is required."""
    export(programs, bert, "onnx-fp32", tmp_path / "made")
    folder = tmp_path / "model"
    assert programs.run(HERE / "make_checkpoint.py", folder, "bert", "cls", "gelu_new").returncode == 0
    for name in ("model.onnx", "model.onnx.data"):
        shutil.copy(tmp_path / "made" / name, folder / name)

    printed = refused(programs, folder, tmp_path / "out")
    assert "mean cosine: measured 0." in printed
    assert "required >= 0.999999" in printed


def test_ready_made_model_without_reference_says_so(programs: Programs, bert: Path, tmp_path: Path) -> None:
    """Without safetensors the gate is skipped, aloud and in the report."""
    export(programs, bert, "onnx-fp32", tmp_path / "made")
    folder = changed(bert, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    for name in ("model.onnx", "model.onnx.data"):
        shutil.copy(tmp_path / "made" / name, folder / name)

    assert "Skipped" in export(programs, folder, "onnx-fp32", tmp_path / "out")
    assert "Skipped" in json.loads((tmp_path / "out" / "report.json").read_text())["gate"]


def test_report_can_be_kept_apart(programs: Programs, bert: Path, tmp_path: Path) -> None:
    """With --report, out holds only what the runtime needs."""
    done = programs.run(
        *("-m", "models.export", "--model-dir", bert, "--recipe", "onnx-fp32"),
        *("--out", tmp_path / "out", "--report", tmp_path / "report.json"),
    )

    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["config.json", "model.onnx", "model.onnx.data", "tokenizer.json"]
    assert json.loads((tmp_path / "report.json").read_text())["texts"] >= 200


def test_files_are_kept_as_they_are(programs: Programs, tmp_path: Path) -> None:
    """With export = "files" a vocabulary is shipped byte for byte, with its record only."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "words.tiktoken").write_bytes(b"IQ== 0\n")
    (folder / "provenance.json").write_text(json.dumps({"files": [{"path": "words.tiktoken"}]}))

    export(programs, folder, "files", tmp_path / "out")

    assert "Skipped" in json.loads((tmp_path / "out" / "report.json").read_text())["gate"]
    assert (tmp_path / "out" / "words.tiktoken").read_bytes() == b"IQ== 0\n"
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["provenance.json", "report.json", "words.tiktoken"]
