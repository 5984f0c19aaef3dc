"""Model card: how a model folder is read, and whether it is whole."""

import hashlib
import json

import pytest
from rag.errors import ModelError
from rag.modelcard import ModelCard


@pytest.fixture
def folder(tmp_path):
    """Give a folder that has the files, though not their content."""
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "tokenizer.json").write_bytes(b"words")
    return tmp_path


@pytest.mark.parametrize("absent", ["model.onnx", "tokenizer.json"])
def test_a_missing_file_stops_the_start_by_name(folder, absent):
    """The message names the file and the setting."""
    (folder / absent).unlink()

    with pytest.raises(ModelError, match=f"{absent}: not found. Set MODEL_DIR"):
        ModelCard.load(folder)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, (512, "mean", 32)),
        ({"config.json": {"max_position_embeddings": 384}}, (384, "mean", 32)),
        ({"config.json": {}, "sentence_bert_config.json": {"max_seq_length": 256}}, (256, "mean", 32)),
        ({"config.json": {"max_length": 128, "pooling": "cls", "precision": "int8"}}, (128, "cls", 1)),
    ],
)
def test_length_pooling_and_group_are_read_from_the_folder(folder, files, expected):
    """The tightest statement of length wins; int8 runs one text at a time."""
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))

    card = ModelCard.load(folder)

    assert (card.max_tokens, card.pooling, card.group) == expected


@pytest.mark.parametrize("content", ["{", "[]", "7"])
def test_a_card_that_is_no_object_is_refused_by_name(folder, content):
    """A damaged config.json never becomes the defaults."""
    (folder / "config.json").write_text(content)

    with pytest.raises(ModelError, match=r"config\.json"):
        ModelCard.load(folder)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_one_flipped_bit_is_found(folder, name):
    """A file that differs from the export is not served."""
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    entries = {key: {"sha256": hashlib.sha256(value).hexdigest()} for key, value in content.items()}
    (folder / "config.json").write_text(json.dumps({"files": entries}))
    ModelCard.load(folder).verify(folder)
    (folder / name).write_bytes(bytes([content[name][0] ^ 1]) + content[name][1:])

    with pytest.raises(ModelError, match=f"{name}: found sha256"):
        ModelCard.load(folder).verify(folder)
