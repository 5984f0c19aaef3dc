"""models.lock: written the same way each time, read strictly."""

from pathlib import Path

import pytest
from models.errors import ModelError
from models.lockfile import LockedFile, LockedModel, dump_lock, is_inside, load_lock

MODEL = LockedModel(
    name="minilm",
    sources=("hf://o/n@" + "0" * 40, "dir://weights"),
    served_by="dir://weights",
    revision="0" * 40,
    licence="mit",
    exports=("onnx-fp16", "onnx-int8"),
    exporter="1",
    files=(LockedFile("config.json", "a" * 64, 3), LockedFile("model.safetensors", "b" * 64, 4)),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A lock survives writing and reading, odd names included."""
    odd = LockedModel(
        "odd name.1", ("dir://x",), "", "", "mit", (), "1", (LockedFile('a"é.json', "c" * 64, 0),)
    )
    (tmp_path / "models.lock").write_text(dump_lock([odd, MODEL]), encoding="utf-8")

    assert load_lock(tmp_path / "models.lock") == {"minilm": MODEL, "odd name.1": odd}


def test_same_models_give_the_same_text() -> None:
    """Order of models and files does not matter."""
    turned = LockedModel(**{f: getattr(MODEL, f) for f in MODEL.__slots__} | {"files": MODEL.files[::-1]})

    assert dump_lock([turned]) == dump_lock([MODEL])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("version = 1", "version = 2"), "version 2, expected 1"),
        (("a" * 64, "A" * 64), "64 hex"),
        (('"config.json"', '"../config.json"'), "inside the model"),
        (('"config.json"', '"/etc/passwd"'), "inside the model"),
        (("size_bytes = 3\n", ""), "size_bytes"),
        (("[models.minilm]", "[models.minilm"), "not TOML"),
    ],
)
def test_wrong_locks_say_what_is_wrong(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """Each broken value stops with its place and what was expected."""
    (tmp_path / "models.lock").write_text(dump_lock([MODEL]).replace(*change, 1))

    with pytest.raises(ModelError, match=message):
        load_lock(tmp_path / "models.lock")


def test_missing_lock_says_how_to_make_it(tmp_path: Path) -> None:
    """Without a lock the message names the command that writes it."""
    with pytest.raises(ModelError, match="call lock"):
        load_lock(tmp_path / "models.lock")


@pytest.mark.parametrize("path", ["", ".", "..", "/a", "a/", "a//b", "a/../b", "a\\b", "a\0b", "./a"])
def test_paths_that_leave_are_outside(path: str) -> None:
    """Only plain relative paths are inside."""
    assert not is_inside(path)
