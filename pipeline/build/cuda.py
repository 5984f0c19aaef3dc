"""Stage 5 of 8, for gpu: CUDA libraries of NVIDIA's own image instead of those of wheels, never both."""

import re
from dataclasses import dataclass, replace
from typing import Final

import dagger
from dagger import dag

from pipeline.build.lock import Lock
from pipeline.containers import Builder
from pipeline.errors import ConfigError

VERSION: Final = "CUDA_VERSION"
"""Environment variable of every nvidia/cuda image, e.g. 13.0.1."""
WHEEL: Final = re.compile(
    r"nvidia-(cublas|cuda-(runtime|nvrtc|cupti)|cudnn|cufft|cufile|curand|cusolver|cusparse|cusparselt"
    r"|nccl|nvjitlink|nvshmem|nvtx)(-cu\d+)?$"
)
"""Distributions that hold CUDA libraries and nothing else. `nvidia-ml-py` is not one: it is Python."""
PACKAGES: Final = {
    "libcudart": "cuda-cudart-{release}",
    "libnvrtc": "cuda-nvrtc-{release}",
    "libcupti": "cuda-cupti-{release}",
    "libcublasLt": "libcublas-{release}",
    "libcudnn": "libcudnn9-cuda-{major}",
    "libnccl": "libnccl2",
}
"""Debian packages of NVIDIA's repository whose name is not LIBRARY-RELEASE. Source: that repository."""
TAKE: Final = ("python3", "/programs/take_cuda.py", "--root", "/cuda", "--out", "/out")
SITE: Final = "/site"
VENV: Final = "/opt/venv"


def require_no_devel(reference: str) -> None:
    """Refuse an image with compilers.

    Raises:
        ConfigError: the tag says devel.

    """
    tag = reference.rpartition("/")[2].partition(":")[2]
    if "devel" in re.split(r"[@-]", tag):
        raise ConfigError.of(
            f"--cuda-base={reference} is a devel image, with compilers and headers",
            expected="nvidia/cuda:VERSION-base-… or nvidia/cuda:VERSION-runtime-…",
            do="Name the base image of the same version.",
        )


def without_cuda(lock: Lock) -> Lock:
    """Return a lock without the distributions whose libraries NVIDIA's image has."""
    return replace(lock, pins=tuple(pin for pin in lock.pins if not WHEEL.match(pin.name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaLibraries:
    """The CUDA libraries that an environment needs, where the wheels would have them."""

    layer: dagger.Directory
    """Rooted at "/", every time fixed."""
    venv: dagger.Directory
    """The environment with the libraries."""


async def with_cuda(builder: Builder, venv: dagger.Directory, python: str) -> CudaLibraries:
    """Return the CUDA libraries that the files of an environment need.

    A -base- image has few of them: the others are installed in it from NVIDIA's own repository.

    Args:
        builder: knows the image, `cuda_image`.
        venv: the environment, installed without CUDA wheels.
        python: its Python, X.Y.

    Raises:
        ConfigError: the image is none of nvidia/cuda.
        dagger.ExecError: a library is neither in the image nor in NVIDIA's repository for it.

    """
    image = dag.container().from_(builder.cuda_image)
    release = await image.env_variable(VERSION) or ""
    if not release:
        raise ConfigError.of(
            f"--cuda-base={builder.cuda_image} has no {VERSION} in its environment",
            expected="an image of nvidia/cuda",
            do="Name nvidia/cuda:VERSION-base-…, or leave it out and lock the wheels of NVIDIA.",
        )
    place = f"lib/python{python}/site-packages/nvidia/cu{release.partition('.')[0]}"
    found = _taken(builder, image, venv, place)
    if missing := (await found.file("missing.txt").contents()).split():
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        image = (
            image.with_user("0:0")
            .with_exec(["apt-get", "update", "-qq"])
            .with_exec([*install, *debian_packages(missing, release)])
        )
        found = _taken(builder, image, venv, place, "--strict")
    layer = found.directory("layer")
    libraries = layer.directory(f"{VENV}/{place}".lstrip("/"))
    return CudaLibraries(layer=await layer.sync(), venv=await venv.with_directory(place, libraries).sync())


def cuda_labels(reference: str) -> dict[str, str]:
    """Return the label that names the image of the CUDA libraries; none for wheels."""
    return {"io.wheelhouse.cuda.base": reference} if reference else {}


def debian_packages(sonames: list[str], release: str) -> list[str]:
    """Return the packages of NVIDIA's repository that hold these libraries, for one release of CUDA."""
    major, minor, *_ = [*release.split("."), "0"]
    names = {"release": f"{major}-{minor}", "major": major}
    stems = (soname.partition(".so")[0] for soname in sonames)
    return sorted({PACKAGES.get(stem, stem.lower() + "-{release}").format(**names) for stem in stems})


def _taken(
    builder: Builder, image: dagger.Container, venv: dagger.Directory, place: str, *more: str
) -> dagger.Directory:
    """Return layer/, the libraries that the environment needs, and missing.txt, what the image lacks."""
    at = f"{VENV}/{place}".lstrip("/")
    return (
        builder.tools("take_cuda.py", "elf.py", "tree_times.py")
        .with_mounted_directory("/cuda", image.rootfs())
        .with_mounted_directory(SITE, venv)
        .with_exec([*TAKE, "--site", SITE, "--at", at, *more])
        .directory("/out")
    )
