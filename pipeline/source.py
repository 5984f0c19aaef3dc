"""Stage 1 of 8: the service's folder in, only what the image may contain out."""

from typing import Final

import dagger
from dagger import dag

from pipeline.config import Config
from pipeline.scripts import script_files

PROGRAM_MODE: Final = 0o755

NEVER: Final = (
    "**/.git",
    "**/.env",
    "**/.env.*",
    "**/.venv",
    "**/__pycache__",
    "**/*.pyc",
    "**/*.key",
    "**/*.pem",
    "**/.netrc",
    "**/conftest.py",
    "**/test_*.py",
    "**/*.bin",
    "**/*.ckpt",
    "**/*.gguf",
    "**/*.onnx",
    "**/*.pkl",
    "**/*.pt",
    "**/*.pth",
    "**/*.safetensors",
)
"""What never enters an image from the source: history, secrets, caches, tests, model weights.

Source: DESIGN §5.1. Weights come through models.lock, where their sha256 is checked.
"""


async def application(source: dagger.Directory, config: Config) -> dagger.Directory:
    """Return the packages of the service, each under its last name: `src/rag` becomes `rag`.

    .gitignore and .dockerignore of the source are honoured; so is NEVER, whatever they say.
    The project's own console scripts come as `bin/NAME`.
    """
    kept = source.filter(gitignore=True).filter(exclude=[*await _dockerignore(source), *NEVER])
    tree = dag.directory()
    for package in config.service.packages:
        if package.endswith(".py"):
            tree = tree.with_file(_last(package), kept.file(package))
        else:
            tree = tree.with_directory(_last(package), kept.directory(package))
    for path, contents in script_files(config.project, config.service).items():
        mode = PROGRAM_MODE if path.startswith("bin/") else None
        tree = tree.with_new_file(path, contents, permissions=mode)
    return tree


async def text(source: dagger.Directory, path: str) -> str | None:
    """Return the contents of a file of the source, or None where there is none."""
    parent, _, name = path.rpartition("/")
    folder = source.directory(parent) if parent else source
    if parent and f"{parent.partition('/')[0]}/" not in await source.entries():
        return None
    return await folder.file(name).contents() if name in await folder.entries() else None


async def _dockerignore(source: dagger.Directory) -> list[str]:
    lines = (await text(source, ".dockerignore") or "").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
