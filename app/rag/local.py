"""Local embedder: texts in, float32 (n, dimensions) of L2 norm 1 out, by ONNX Runtime in this process."""

from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, Final, NamedTuple, Self, TypeVar

import anyio
import anyio.to_thread

from rag.embedder import Embedder, TextOrIds
from rag.errors import InputError, ModelError
from rag.modelcard import ModelCard
from rag.runtime import open_session, open_tokenizer
from rag.settings import Settings
from rag.vectors import Embeddings, Vector

T = TypeVar("T")

SLICE: Final = 32
"""Inputs that one turn of a worker thread handles; other requests get their turn in between."""

POOLINGS: Final = ("mean", "cls")
"""What can be done with token vectors where the model does not pool by itself."""

TOKEN_VECTORS: Final = 3
"""Axes of an output that is not pooled: text, token, number."""


class _Result(NamedTuple):
    """Result of embedding one input."""

    row: Vector
    tokens: int
    truncated: bool


class LocalEmbedder:
    """Run an ONNX model in worker threads, a bounded number at a time."""

    def __init__(self, settings: Settings, card: ModelCard, session: Any, tokenizer: Any) -> None:
        self.name = settings.model_name
        self.card = card
        self.device = "cuda" if "CUDAExecutionProvider" in session.get_providers() else "cpu"
        self._session = session
        self._wanted = {item.name for item in session.get_inputs()}
        self._tokenizer = tokenizer
        self._slots = anyio.CapacityLimiter(settings.inferences)

    @classmethod
    def load(cls, settings: Settings, card: ModelCard) -> Self:
        """Open the model folder; takes 0.1-0.2 s for MiniLM, so call it in a thread.

        Raises:
            ModelError: a file differs from the card or cannot be read, or DEVICE=cuda without a GPU.

        """
        # Hashing and opening need no interpreter lock: side by side they take the time of one.
        with ThreadPoolExecutor(1, thread_name_prefix="verify") as beside:
            verified = beside.submit(card.verify, settings.model_dir)
            session = open_session(settings)
            verified.result()
        tokenizer = open_tokenizer(settings, card)
        if len(session.get_outputs()[0].shape) == TOKEN_VECTORS and card.pooling not in POOLINGS:
            raise ModelError(
                f"{settings.model_dir}: found pooling {card.pooling!r}, expected one of {POOLINGS}."
            )
        return cls(settings, card, session, tokenizer)

    async def warm_up(self) -> None:
        """Run one inference, so that the first request finds memory and threads ready."""
        await self.embed(["warm-up"])

    async def embed(self, inputs: Sequence[TextOrIds]) -> Embeddings:
        """Embed n texts or token-id lists -> n rows; token ids are the model's own, unframed.

        Raises:
            InputError: a token id is not in the vocabulary.

        """
        results: list[_Result | None] = [None] * len(inputs)
        # Similar lengths together, because padding is wasted work; a slice at a time, so that a large
        # batch does not keep other requests waiting.
        by_length = sorted(range(len(inputs)), key=lambda place: len(inputs[place]))
        for part in _groups(by_length, SLICE):
            chunk = [inputs[place] for place in part]
            for place, result in zip(part, await self._in_thread(chunk), strict=True):
                results[place] = result
        done = [result for result in results if result]
        cut = tuple(place for place, result in enumerate(done) if result.truncated)
        return Embeddings([result.row for result in done], sum(result.tokens for result in done), cut)

    async def _in_thread(self, inputs: Sequence[TextOrIds]) -> "list[_Result]":
        return await anyio.to_thread.run_sync(self._embed, inputs, limiter=self._slots)

    def _embed(self, inputs: Sequence[TextOrIds]) -> "list[_Result]":
        tokenised = [self._token_ids(item) for item in inputs]
        rows: list[Vector] = [array("f")] * len(inputs)
        by_length = sorted(range(len(inputs)), key=lambda place: len(tokenised[place][0]))
        for group in _groups(by_length, self.card.group):
            for place, row in zip(group, self._infer([tokenised[place][0] for place in group]), strict=True):
                rows[place] = row
        return [_Result(row, len(ids), cut) for row, (ids, cut) in zip(rows, tokenised, strict=True)]

    def _token_ids(self, item: TextOrIds) -> tuple[list[int], bool]:
        """Return the token ids that the model reads, and whether some were cut off."""
        if isinstance(item, str):
            encoding = self._tokenizer.encode(item)
            return list(encoding.ids), bool(encoding.overflowing)
        size = self._tokenizer.get_vocab_size()
        if any(not 0 <= number < size for number in item):
            raise InputError(
                f"found a token id outside 0 to {size - 1}. Send ids of {self.name}'s vocabulary, or text.",
                param="input",
            )
        # An empty text is only its frame: [CLS] [SEP] for BERT.
        first, *last = self._tokenizer.encode("").ids or [None]
        kept = item[: self.card.max_tokens - len(last) - 1]
        return [first, *kept, *last] if first is not None else kept, len(kept) < len(item)

    def _infer(self, ids: Sequence[Sequence[int]]) -> Iterator[Vector]:
        import numpy as np  # noqa: PLC0415 - only the local variants have it

        longest = max(map(len, ids))
        tokens = np.zeros((len(ids), longest), np.int64)
        mask = np.zeros_like(tokens)
        for row, numbers in enumerate(ids):
            tokens[row, : len(numbers)] = numbers
            mask[row, : len(numbers)] = 1
        feeds = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        states = self._session.run(None, {name: feeds[name] for name in feeds if name in self._wanted})[0]
        pooled = _pooled(states.astype(np.float32, copy=False), mask, self.card.pooling)
        pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
        return (array("f", row.tobytes()) for row in pooled)


def start_loading(settings: Settings) -> Future[Embedder] | None:
    """Load the local model in a thread; None where the upstream embeds.

    Raises:
        ModelError: MODEL_DIR does not hold a model; what else is wrong, the future raises.

    """
    if not is_local(settings):
        return None
    card = ModelCard.load(settings.model_dir)
    pool = ThreadPoolExecutor(1, thread_name_prefix="model")
    loading: Future[Embedder] = pool.submit(LocalEmbedder.load, settings, card)
    pool.shutdown(wait=False)
    return loading


def is_local(settings: Settings) -> bool:
    """Tell whether the model runs in this process: set, or ONNX Runtime is installed."""
    if settings.embedder == "auto":
        return find_spec("onnxruntime") is not None
    return settings.embedder == "local"


def _pooled(states: Any, mask: Any, pooling: str) -> Any:
    if states.ndim < TOKEN_VECTORS:
        return states
    if pooling == "cls":
        return states[:, 0].copy()
    weights = mask[:, :, None].astype(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def _groups(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
