"""Evaluate the API's fields: one file per family, each function registered under its field's name."""

from pipeline.engine.ops import (
    config,
    directory,
    exec_,
    file,
    filesystem,
    git,
    host,
    image,
    mounts,
    query,
    service,
    values,
)

__all__ = [
    "config",
    "directory",
    "exec_",
    "file",
    "filesystem",
    "git",
    "host",
    "image",
    "mounts",
    "query",
    "service",
    "values",
]
