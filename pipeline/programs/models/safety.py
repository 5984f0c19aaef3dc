"""Refuse files that can carry code: by name, and by what is really inside."""

import json
import pickletools
import struct
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from models.errors import UnsafeFile

CODE_SUFFIXES: Final = frozenset(
    {
        ".bin",
        ".ckpt",
        ".dill",
        ".h5",
        ".joblib",
        ".keras",
        ".mar",
        ".npy",
        ".npz",
        ".pickle",
        ".pkl",
        ".pt",
        ".pth",
    }
)
"""Formats that run code when they are loaded, or that may."""
HEADER_LIMIT: Final = 100 * 10**6  # the safetensors library's own limit for a header
HEAD_BYTES: Final = 1024
MAGICS: Final = {
    b"PK\x03\x04": "a zip archive (as torch.save writes)",
    b"\x1f\x8b": "a gzip archive",
    b"\x93NUMPY": "a numpy array, which may hold pickled objects",
    b"\x89HDF": "an HDF5 file, which may hold pickled layers",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"#!": "a script",
}
PICKLE_PROTOCOLS: Final = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
CALLS: Final = frozenset({"GLOBAL", "INST", "REDUCE", "STACK_GLOBAL"})
CODE_KEYS: Final = ("auto_map", "custom_pipelines")
MODEL_PROTO_FIELDS: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})


def require_safe_name(path: str) -> None:
    """Refuse a path whose kind is not known to be plain data.

    Raises:
        UnsafeFile: names the file and the safe alternative.

    """
    name = PurePosixPath(path).name.lower()
    suffix = PurePosixPath(name).suffix
    if suffix in CODE_SUFFIXES:
        raise UnsafeFile(
            f"{path}: {suffix} files can run code when loaded. Declare model.safetensors or model.onnx "
            "instead; `safetensors` converts a checkpoint once, on a machine you can throw away."
        )
    if suffix == ".py":
        raise UnsafeFile(f"{path}: code of a model repository is never taken nor run.")
    if suffix not in CHECKS:
        raise UnsafeFile(f"{path}: expected one of {', '.join(sorted(CHECKS))}.")


def require_safe_content(path: Path, name: str) -> None:
    """Refuse a file whose bytes are not what its name says.

    Raises:
        UnsafeFile: names the file and what was found.

    """
    require_safe_name(name)
    with path.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
        for magic, found in MAGICS.items():
            if head.startswith(magic):
                raise UnsafeFile(f"{name}: found {found}, expected {PurePosixPath(name).suffix} data.")
        opened.seek(0)
        if head.startswith(PICKLE_PROTOCOLS) or _is_pickle(opened):
            kind = PurePosixPath(name).suffix
            raise UnsafeFile(f"{name}: found a pickle, which can run code; expected {kind} data.")
        opened.seek(0)
        try:
            CHECKS[PurePosixPath(name.lower()).suffix](opened, path.stat().st_size)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
            raise UnsafeFile(f"{name}: not {PurePosixPath(name).suffix} data: {error}") from error
    if name.endswith(".json"):
        _refuse_code_keys(name, path)


def _is_pickle(opened: BinaryIO) -> bool:
    """Tell whether the bytes are a whole pickle program that names a callable; nothing is run."""
    try:
        return any(code.name in CALLS for code, _, _ in pickletools.genops(opened))
    except (ValueError, UnicodeDecodeError):
        return False


def _safetensors(opened: BinaryIO, size: int) -> None:
    (length,) = struct.unpack("<Q", opened.read(8))
    if length > min(HEADER_LIMIT, size - 8):
        raise ValueError(f"header of {length} bytes in a file of {size}")
    header = json.loads(opened.read(length))
    ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
    if max(ends, default=0) != size - 8 - length:
        raise ValueError(f"tensors end at {max(ends, default=0)}, the file at {size - 8 - length}")


def _json(opened: BinaryIO, _size: int) -> None:
    json.loads(opened.read().decode("utf-8"))


def _text(opened: BinaryIO, _size: int) -> None:
    if "\0" in opened.read().decode("utf-8"):
        raise ValueError("a NUL character")


def _gguf(opened: BinaryIO, _size: int) -> None:
    if opened.read(4) != b"GGUF":
        raise ValueError("no GGUF mark")


def _onnx(opened: BinaryIO, size: int) -> None:
    fields = set(_protobuf_fields(opened, size))
    if not fields or not fields <= MODEL_PROTO_FIELDS:
        raise ValueError(f"fields {sorted(fields)} are not those of an ONNX model")


def _protobuf(opened: BinaryIO, size: int) -> None:
    if not list(_protobuf_fields(opened, size)):
        raise ValueError("no fields")


def _raw(opened: BinaryIO, _size: int) -> None:
    opened.read(0)


def _protobuf_fields(opened: BinaryIO, size: int) -> Iterator[int]:
    """Walk the outermost fields of a protobuf message; ValueError when it is none."""
    while opened.tell() < size:
        key = _varint(opened)
        kind = key & 7
        if kind == 0:
            _varint(opened)
        elif kind in (1, 2, 5):
            step = {1: 8, 5: 4}.get(kind) or _varint(opened)
            opened.seek(step, 1)
        else:
            raise ValueError(f"wire type {kind}")
        if opened.tell() > size:
            raise ValueError("a field that goes beyond the end")
        yield key >> 3


def _varint(opened: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = opened.read(1)
        if not byte:
            raise ValueError("the end inside a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:  # noqa: PLR2004 - the continuation bit
            return value
    raise ValueError("a number of more than ten bytes")


def _refuse_code_keys(name: str, path: Path) -> None:
    found: Any = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(found, dict):
        for key in CODE_KEYS:
            if key in found:
                raise UnsafeFile(f"{name}: {key} asks for code of the model repository, which is never run.")


CHECKS: Final[dict[str, Callable[[BinaryIO, int], None]]] = {
    ".safetensors": _safetensors,
    ".onnx": _onnx,
    ".onnx_data": _raw,
    ".data": _raw,
    ".gguf": _gguf,
    ".json": _json,
    ".txt": _text,
    ".md": _text,
    ".model": _protobuf,
    ".tiktoken": _text,
}
