"""Local embedder: the real model, and how its folder is read."""

import json
from pathlib import Path

import pytest
from rag.errors import InputError, ModelError
from rag.local import LocalEmbedder, start_loading
from rag.modelcard import ModelCard
from rag.settings import Settings
from rag.vectors import dot, normalised

REFERENCE = json.loads((Path(__file__).parent / "reference.json").read_text())["items"]
TEXTS = [item["text"] for item in REFERENCE]

MIN_COSINE = 0.99
"""Agreement with the float64 reference that the export promises."""


@pytest.fixture(scope="module")
def model(model_settings) -> LocalEmbedder:
    """Give the loaded model."""
    return LocalEmbedder.load(model_settings, ModelCard.load(model_settings.model_dir))


@pytest.mark.model
@pytest.mark.parametrize("item", REFERENCE, ids=lambda item: item["text"][:20])
async def test_embeddings_agree_with_the_reference(model, item):
    """Each text alone has cosine >= 0.99 with the published weights' own result."""
    row = (await model.embed([item["text"]])).vectors[0]

    assert dot(row, normalised(item["embedding"])) >= MIN_COSINE


@pytest.mark.model
async def test_a_batch_keeps_its_order_and_agrees_too(model):
    """Sorting by length inside does not show outside; rows have norm 1."""
    made = await model.embed(TEXTS * 3)

    cosines = [
        dot(row, normalised(item["embedding"])) for row, item in zip(made.vectors, REFERENCE * 3, strict=True)
    ]
    assert min(cosines) >= MIN_COSINE
    assert [dot(row, row) for row in made.vectors] == pytest.approx([1.0] * 18, abs=1e-5)


@pytest.mark.model
async def test_company_does_not_change_a_vector(model):
    """A text stored among others is found by the same text asked alone."""
    together = (await model.embed(TEXTS)).vectors
    alone = [(await model.embed([text])).vectors[0] for text in TEXTS]

    assert min(map(dot, together, alone)) > 1 - 1e-5


@pytest.mark.model
async def test_tokens_are_counted_without_padding(model):
    """Usage is what the reference tokenizer counts, at most 256 a text."""
    assert (await model.embed(TEXTS)).tokens == sum(item["tokens"] for item in REFERENCE)


@pytest.mark.model
async def test_token_ids_of_a_text_embed_as_the_text(model):
    """Ids come without [CLS] and [SEP]; the frame is added."""
    ids = model._tokenizer.encode(TEXTS[0]).ids[1:-1]  # noqa: SLF001 - the ids that a caller would send
    text, same = [(await model.embed([item])).vectors[0] for item in (TEXTS[0], ids)]

    assert dot(text, same) == pytest.approx(1, abs=1e-5)


@pytest.mark.model
async def test_many_token_ids_are_cut_like_text(model):
    """300 ids become 256 tokens."""
    assert (await model.embed([[2000] * 300])).tokens == 256


@pytest.mark.model
@pytest.mark.parametrize("bad", [-1, 30_522, 2**70])
async def test_an_id_outside_the_vocabulary_is_refused(model, bad):
    """The message tells the legal range."""
    with pytest.raises(InputError, match="outside 0 to 30521"):
        await model.embed([[5, bad]])


@pytest.mark.model
@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_damaged_file_is_refused_by_name(model_settings, tmp_path, name):
    """A cut-off download is told, not served."""
    for path in model_settings.model_dir.iterdir():
        if path.is_file():
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes((model_settings.model_dir / name).read_bytes()[:1000])

    with pytest.raises(ModelError, match=name):
        LocalEmbedder.load(Settings(model_dir=tmp_path), ModelCard())


@pytest.mark.model
def test_cuda_without_a_gpu_refuses_to_start(model_settings, model):
    """DEVICE=cuda never falls back to the processor without a word."""
    if model.device == "cuda":
        pytest.skip("there is a GPU here")

    with pytest.raises(ModelError, match="DEVICE=cuda: found CPUExecutionProvider"):
        LocalEmbedder.load(model_settings.model_copy(update={"device": "cuda"}), ModelCard())


@pytest.mark.model
def test_a_cuda_build_without_a_gpu_says_that_it_runs_on_the_processor(model_settings, model, caplog):
    """DEVICE=auto starts anyway, with a warning."""
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("ONNX Runtime is built without CUDA here")
    if model.device == "cuda":
        pytest.skip("there is a GPU here")

    LocalEmbedder.load(model_settings, ModelCard())

    assert "found no NVIDIA driver (libcuda.so.1: " in caplog.text


def test_the_upstream_needs_no_model(tmp_path):
    """EMBEDDER=upstream loads nothing."""
    assert start_loading(Settings(model_dir=tmp_path, embedder="upstream")) is None
