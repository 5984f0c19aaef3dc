"""A model of a few kilobytes, and the models.lock that pins it."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Fetch = Callable[..., int]


def safetensors(size_bytes: int = 4000, seed: int = 1) -> bytes:
    """Return a valid safetensors file with one tensor of that size."""
    body = b"".join(struct.pack("<Q", (seed * 2654435761 * (i + 1)) % 2**63) for i in range(size_bytes // 8))
    header = json.dumps({"w": {"dtype": "F32", "shape": [len(body) // 4], "data_offsets": [0, len(body)]}})
    return struct.pack("<Q", len(header)) + header.encode() + body


CARD = {"README.md": b"---\nlicense: mit\n---\n# A model\n"}
FILES = {"config.json": b'{"model_type": "bert"}', "model.safetensors": safetensors()}


@dataclass(frozen=True, slots=True)
class Lock:
    """A models.lock being written for one test."""

    path: Path

    def write(self, files: dict[str, bytes], *sources: str, licence: str = "mit") -> Path:
        """Lock these bytes at these sources under the name tiny."""
        lines = [
            "version = 1",
            "[models.tiny]",
            f"sources = {json.dumps(sources)}",
            'served_by = ""\nrevision = ""',
            f'licence = "{licence}"\nexports = ["onnx-int8"]\nexporter = "1"',
        ]
        for name, data in files.items():
            lines += [
                "[[models.tiny.files]]",
                f'path = "{name}"\nsha256 = "{sha256(data).hexdigest()}"\nsize_bytes = {len(data)}',
            ]
        self.path.write_text("\n".join(lines))
        return self.path
