"""Imports that a start can do without, because serving does not need them.

FastAPI builds its 40 models of the OpenAPI document when it is imported, which is 45 % of the time of all
imports, and uses them only when the document is asked for.
"""

import importlib
import sys
from types import ModuleType
from typing import Any, Final

MODELS: Final = "fastapi.openapi.models"


class _Placeholder(ModuleType):
    """Module whose every name is an empty class, for annotations and base classes."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def skip_models() -> None:
    """Put off FastAPI's models; to be called before FastAPI is imported."""
    # FastAPI imports pydantic's version 1 only to refuse its models, and copes without.
    sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]
    sys.modules.setdefault(MODELS, _Placeholder(MODELS))


def import_models() -> None:
    """Import FastAPI's models where they were put off."""
    if isinstance(sys.modules.get(MODELS), _Placeholder):
        del sys.modules[MODELS]
        models = importlib.import_module(MODELS)
        importlib.import_module("fastapi.openapi.utils").OpenAPI = models.OpenAPI  # type: ignore[attr-defined]
