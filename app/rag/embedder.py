"""Embedder: texts in, float32 (n, dimensions) of L2 norm 1 out."""

import ctypes
import logging
import os
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol, Self

import anyio
import anyio.to_thread

from rag.cpus import granted_cpus
from rag.errors import InputError, ModelError
from rag.modelcard import ModelCard
from rag.settings import Settings
from rag.vectors import Embeddings, Vector

log = logging.getLogger("rag.embedder")

TextOrIds = str | list[int]

POOLINGS: Final = ("mean", "cls")
"""What can be done with token vectors where the model does not pool by itself."""

TOKEN_VECTORS: Final = 3
"""Axes of an output that is not pooled: text, token, number."""


class Embedder(Protocol):
    """Turn inputs into vectors; the local model, the upstream and the test double do."""

    name: str
    device: str

    async def warm_up(self) -> None:
        """Do what must be done once before the first request."""

    async def embed(self, inputs: Sequence[TextOrIds]) -> Embeddings:
        """Embed texts or token ids, in order."""


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
            session = _open_session(settings)
            verified.result()
        tokenizer = _open_tokenizer(settings, card)
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
        return await anyio.to_thread.run_sync(self._embed, inputs, limiter=self._slots)

    def _embed(self, inputs: Sequence[TextOrIds]) -> Embeddings:
        ids = [self._token_ids(item) for item in inputs]
        rows: list[Vector] = [array("f")] * len(ids)
        # Like lengths together: padding is work thrown away.
        by_length = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        for group in _groups(by_length, self.card.group):
            for place, row in zip(group, self._infer([ids[place] for place in group]), strict=True):
                rows[place] = row
        return Embeddings(rows, sum(map(len, ids)))

    def _token_ids(self, item: TextOrIds) -> list[int]:
        if isinstance(item, str):
            return list(self._tokenizer.encode(item).ids)
        size = self._tokenizer.get_vocab_size()
        if any(not 0 <= number < size for number in item):
            raise InputError(
                f"found a token id outside 0 to {size - 1}. Send ids of {self.name}'s vocabulary, or text.",
                param="input",
            )
        # An empty text is only its frame: [CLS] [SEP] for BERT.
        first, *last = self._tokenizer.encode("").ids or [None]
        kept = item[: self.card.max_tokens - len(last) - 1]
        return [first, *kept, *last] if first is not None else kept

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


def _open_tokenizer(settings: Settings, card: ModelCard) -> Any:
    from tokenizers import Tokenizer  # noqa: PLC0415 - only the local variants have it

    try:
        tokenizer = Tokenizer.from_file(str(settings.model_dir / "tokenizer.json"))
    except Exception as exc:  # tokenizers raises the bare class
        raise ModelError(f"{settings.model_dir}/tokenizer.json: not a tokenizer: {exc}") from exc
    tokenizer.no_padding()
    tokenizer.enable_truncation(card.max_tokens)
    return tokenizer


def _open_session(settings: Settings) -> Any:
    # Read when the library is loaded: without it ONNX Runtime writes below HOME and reports home.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort  # noqa: PLC0415 - only the local variants have it

    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads or max(1, granted_cpus() // settings.inferences)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    built = "CUDAExecutionProvider" in ort.get_available_providers()
    if built and settings.device != "cpu" and _open_cuda():
        providers.insert(0, "CUDAExecutionProvider")
    try:
        session = ort.InferenceSession(settings.model_dir / "model.onnx", options, providers=providers)
    except Exception as exc:  # ONNX Runtime raises a dozen unrelated classes
        raise ModelError(f"{settings.model_dir}/model.onnx: {exc}") from exc
    wanted, providers = providers, session.get_providers()
    if len(wanted) > len(providers):
        log.warning("found no GPU that ONNX Runtime can use: the model runs on the processor.")
    if settings.device == "cuda" and "CUDAExecutionProvider" not in providers:
        raise ModelError(
            f"DEVICE=cuda: found {', '.join(providers)}. Run the gpu image with a GPU, or set DEVICE=auto."
        )
    return session


def _open_cuda() -> bool:
    """Open the host's driver and the CUDA libraries of wheels; tell whether there is a driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError as exc:
        log.warning(
            "found no NVIDIA driver (%s): the model runs on the processor. Pass --gpus all for a GPU.", exc
        )
        return False
    # Nothing but this finds them without LD_LIBRARY_PATH; cublasLt before cublas, which needs it.
    wheels = find_spec("nvidia")
    for folder in (wheels.submodule_search_locations or ()) if wheels else ():
        for library in sorted(Path(folder).glob("*/lib/lib*.so.*"), reverse=True):
            ctypes.CDLL(str(library))
    return True


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


def _groups(places: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (places[start : start + size] for start in range(0, len(places), size))
