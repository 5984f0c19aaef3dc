"""Load every model of an image as the service does; say in the trace where each load begins and ends.

`load_every_model.py FOLDER…`: ONNX folders through the reference service's embedder, a folder of the
hub's layout by its name through the hub's own client.
"""

# Imported before the first mark, so that between the marks nothing but the model is looked up.
import anyio._backends._asyncio  # noqa: F401
import anyio.to_thread  # noqa: F401
import concurrent.futures.thread  # noqa: F401
import os
import sys
from contextlib import suppress
from pathlib import Path

import numpy  # noqa: F401

os.environ["ORT_DISABLE_TELEMETRY"]  # the image sets it
import onnxruntime  # noqa: F401
import tokenizers  # noqa: F401
from rag.local import LocalEmbedder
from rag.modelcard import ModelCard
from rag.settings import Settings


def mark(where, name):
    """Look up a path that only the trace sees."""
    with suppress(OSError):
        os.stat(f"/mark/{where}/{name}")


def load_named(folder):
    """Find a snapshot by the repository's name, as transformers does."""
    from huggingface_hub import snapshot_download

    name = folder.name.removeprefix("models--").replace("--", "/")
    mark("begin", folder.name)
    found = Path(snapshot_download(name, local_files_only=True))
    sizes = {path.name: len(path.read_bytes()) for path in found.rglob("*") if path.is_file()}
    mark("end", folder.name)
    print(folder.name, sorted(sizes))


def load_onnx(folder):
    """Open a model and run it once."""
    mark("begin", folder.name)
    embedder = LocalEmbedder.load(Settings(model_dir=folder), ModelCard.load(folder))
    rows = list(embedder._infer([embedder._token_ids("warm-up")[0]]))
    mark("end", folder.name)
    print(folder.name, len(rows[0]))


for word in sys.argv[1:]:
    folder = Path(word)
    (load_onnx if (folder / "model.onnx").exists() else load_named)(folder)
