"""Runtime: a model folder in, a session of ONNX Runtime and a tokenizer out."""

import ctypes
import logging
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rag.cpus import granted_cpus
from rag.errors import ModelError
from rag.modelcard import ModelCard
from rag.settings import Settings

log = logging.getLogger("rag.runtime")


def open_tokenizer(settings: Settings, card: ModelCard) -> Any:
    """Open the model's tokenizer; it cuts at the card's length and does not pad.

    Raises:
        ModelError: tokenizer.json is none.

    """
    from tokenizers import Tokenizer  # noqa: PLC0415 - only the local variants have it

    try:
        tokenizer = Tokenizer.from_file(str(settings.model_dir / "tokenizer.json"))
    except Exception as exc:  # tokenizers raises the bare class
        raise ModelError(f"{settings.model_dir}/tokenizer.json: not a tokenizer: {exc}") from exc
    tokenizer.no_padding()
    tokenizer.enable_truncation(card.max_tokens)
    return tokenizer


def open_session(settings: Settings) -> Any:
    """Open the model with ONNX Runtime, on the GPU where there is one and the settings let it.

    Raises:
        ModelError: model.onnx cannot be read, or DEVICE=cuda without a GPU.

    """
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
