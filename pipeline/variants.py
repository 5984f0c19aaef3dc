"""The image variants: one enum for the command line, one table for what differs between them."""

import enum
from dataclasses import dataclass, field
from typing import Final

import dagger


@dagger.enum_type
class Variant(enum.Enum):
    """Which image is meant."""

    API = "api"
    """No local model: embeddings come from an upstream."""
    CPU = "cpu"
    """Model inside, ONNX Runtime on the processor."""
    GPU = "gpu"
    """Model inside, ONNX Runtime on CUDA."""


@dagger.enum_type
class Base(enum.Enum):
    """What an image stands on."""

    SMALL = "small"
    """Only the Debian packages that the interpreter and the wheels need: no shell, no package manager."""
    SLIM = "slim"
    """The whole slim image of Python, a normal Debian userland."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantTraits:
    """What a variant implies for every service, whatever the service declares."""

    tag_suffix: str
    """Appended to each tag, so that one repository holds all variants."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment of the image beyond that of every image."""
    cuda: bool = False
    """Whether libraries of NVIDIA wheels get a layer of their own, and the test asks for GPUs."""


VARIANTS: Final[dict[Variant, VariantTraits]] = {
    Variant.API: VariantTraits(tag_suffix="-api"),
    Variant.CPU: VariantTraits(tag_suffix=""),
    Variant.GPU: VariantTraits(
        tag_suffix="-gpu",
        cuda=True,
        # Source: nvidia-container-toolkit documentation; the images of nvidia/cuda set the same three.
        env={
            "NVIDIA_VISIBLE_DEVICES": "all",
            "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
            "NVIDIA_REQUIRE_CUDA": "cuda>=13.0",
        },
    ),
}
