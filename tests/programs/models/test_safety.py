"""Safety: files that can carry code are refused by name and by content; nothing is run."""

import gzip
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
from models.errors import UnsafeFile
from models.safety import require_safe_content, require_safe_name

from tests.programs.models.tiny_model import safetensors


class Bomb:
    """An object whose pickle would create a file when loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Ask for a call of print."""
        return print, ("ran",)


def archived(name: str, data: bytes) -> bytes:
    """Return a zip file with one member, as torch.save writes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


PICKLES = {
    **{f"protocol {number}": pickle.dumps(Bomb(), number) for number in range(6)},
    "zipped": archived("archive/data.pkl", pickle.dumps(Bomb())),
    "gzipped": gzip.compress(pickle.dumps(Bomb())),
}


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "model.pt",
        "weights.PTH",
        "model.pkl",
        "m.ckpt",
        "m.joblib",
        "m.npy",
        "m.npz",
        "tf_model.h5",
    ],
)
def test_pickle_bearing_names_are_refused(name: str) -> None:
    """A format that may run code is refused by its name, with the safe one to use."""
    with pytest.raises(UnsafeFile, match=r"model\.safetensors"):
        require_safe_name(name)


@pytest.mark.parametrize("name", ["modeling.py", "run.sh", "model", "model.exe", "x.safetensors.zip"])
def test_unknown_kinds_are_refused(name: str) -> None:
    """Only data formats that are known to be plain are taken."""
    with pytest.raises(UnsafeFile):
        require_safe_name(name)


@pytest.mark.parametrize(
    "suffix", [".safetensors", ".onnx", ".onnx_data", ".gguf", ".json", ".txt", ".model"]
)
@pytest.mark.parametrize("kind", sorted(PICKLES))
def test_renamed_pickles_are_refused(tmp_path: Path, suffix: str, kind: str) -> None:
    """A pickle under any allowed name is found by its content and not run."""
    path = tmp_path / f"file{suffix}"
    path.write_bytes(PICKLES[kind])

    with pytest.raises(UnsafeFile):
        require_safe_content(path, path.name)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.safetensors", safetensors()),
        ("a.json", b'{"hidden_size": 3}'),
        ("vocab.txt", "a\nb\né\n".encode()),
        ("a.gguf", b"GGUF" + bytes(20)),
        ("a.onnx", b"\x08\x08\x12\x04test"),
        ("a.onnx_data", bytes(range(256))),
    ],
)
def test_plain_data_is_taken(tmp_path: Path, name: str, data: bytes) -> None:
    """Files that are what their name says pass; with a script's first bytes before them they do not."""
    (tmp_path / name).write_bytes(data)
    (tmp_path / f"script-{name}").write_bytes(b"#!" + data)

    require_safe_content(tmp_path / name, name)
    with pytest.raises(UnsafeFile, match="found a script"):
        require_safe_content(tmp_path / f"script-{name}", name)


def header(value: object, body: bytes = b"") -> bytes:
    """Return a safetensors file with this header."""
    text = json.dumps(value).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.safetensors", b""),
        ("a.safetensors", struct.pack("<Q", 10**15) + b"{}"),
        ("a.safetensors", safetensors()[:-8]),
        ("a.safetensors", safetensors() + b"12345678"),
        ("a.safetensors", header([1])),
        ("a.json", b"\xff\xfe"),
        ("a.json", b"{"),
        ("a.json", b"[" * 100_000),
        ("a.txt", b"a\0b"),
        ("a.gguf", b"GGML"),
        ("a.onnx", b""),
        ("a.onnx", b"\xff" * 20),
        ("a.onnx", b"\x08\x08\x12\x7f short"),
    ],
)
def test_broken_data_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    """Truncated, padded and malformed files are refused, each named, without a crash."""
    (tmp_path / name).write_bytes(data)

    with pytest.raises(UnsafeFile, match=name):
        require_safe_content(tmp_path / name, name)


@pytest.mark.parametrize("key", ["auto_map", "custom_pipelines"])
def test_repository_code_is_refused(tmp_path: Path, key: str) -> None:
    """A configuration that asks for code of the repository is refused."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({key: {"AutoModel": "modeling.Model"}}))

    with pytest.raises(UnsafeFile, match="never run"):
        require_safe_content(path, "config.json")
