"""CUDA libraries of NVIDIA's own image: instead of wheels, only those that are needed, never of devel."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.build.cuda import debian_packages, require_no_devel, without_cuda
from pipeline.build.lock import Lock
from pipeline.errors import ConfigError
from tests.pipeline.test_services import call
from tests.pipeline.wheel_index import add_wheel, pin, serving
from tests.programs.oci.registry_server import Kind, installed, running

HASH = "--hash=sha256:" + "a" * 64
PYPROJECT = """\
[project]
name = "accelerated"
requires-python = ">=3.13"
dependencies = ["accel", "nvidia-cublas"]

[[tool.uv.index]]
name = "ours"
url = "{index}"

[tool.wheelhouse]
command = ["python", "-m", "accelerated"]
packages = ["accelerated"]

[tool.wheelhouse.variants.gpu]
"""
ACCEL = """\
import ctypes, pathlib
ctypes.CDLL(str(pathlib.Path(__file__).with_name("_native.so")))
"""
APT = """\
#include <stdio.h>
#include <string.h>
int main(int count, char **words) {
    for (int place = 1; place < count; place++)
        if (!strcmp(words[place], "libcublas-13-0"))
            return rename("/repository/libcublas.so.13", "/usr/local/cuda-13.0/lib64/libcublas.so.13");
    return strcmp(words[1], "update") != 0;
}
"""
"""Stands for apt-get of the real image: it knows one package."""


@pytest.mark.parametrize("tag", ["13.0.1-devel-ubuntu24.04", "13.0.1-cudnn-devel-ubi9"])
def test_a_devel_image_is_refused(tag):
    """One error that names the image and what is expected; the digest behind a tag changes nothing."""
    for reference in (f"nvidia/cuda:{tag}", f"nvidia/cuda:{tag}@sha256:{'0' * 64}"):
        with pytest.raises(
            ConfigError, match=r"devel image, with compilers.*expected nvidia/cuda:VERSION-base"
        ):
            require_no_devel(reference)


@pytest.mark.parametrize("name", ["nvidia/cuda", "devel/cuda", "mirror:5000/cuda-devel"])
def test_other_images_pass(name):
    """Only the tag says what an image is, not the name before it."""
    for passing in ("", name, f"{name}:13.0.1-base-ubi9"):
        require_no_devel(passing)

    with pytest.raises(ConfigError):
        require_no_devel(f"{name}:13.0.1-devel-ubi9")


def test_wheels_of_cuda_leave_the_lock_and_nothing_else_does():
    """`nvidia-ml-py` is Python, and stays."""
    names = ("nvidia-cublas", "nvidia-cuda-runtime-cu12", "nvidia-cudnn-cu13", "nvidia-ml-py", "numpy")
    lock = Lock.parse("".join(f"{name}==1 {HASH}\n" for name in names), path="gpu.txt")

    assert [pin.name for pin in without_cuda(lock).pins] == ["numpy", "nvidia-ml-py"]


def test_missing_libraries_are_asked_of_the_repository_by_its_names():
    """One package for both halves of cuBLAS, each of the image's own release."""
    sonames = ["libcublas.so.13", "libcublasLt.so.13", "libcudart.so.13", "libcurand.so.10", "libcudnn.so.9"]

    assert debian_packages(sonames, "13.0.1") == [
        "cuda-cudart-13-0",
        "libcublas-13-0",
        "libcudnn9-cuda-13",
        "libcurand-13-0",
    ]


def compile_c(path: Path, code: str, *words: str) -> None:
    """Compile C code to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["gcc", "-x", "c", "-", "-o", str(path), *words]
    subprocess.run(command, input=code, check=True, text=True)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Serve a package that needs two CUDA libraries, and an image that has one and can install the other."""
    if not (installed() and shutil.which("buildah") and shutil.which("gcc")):
        pytest.skip("needs docker-registry, buildah and gcc")
    folder = tmp_path_factory.mktemp("cuda")
    root = folder / "context/root"
    cuda, other = root / "usr/local/cuda-13.0/lib64/libcudart.so.13", root / "repository/libcublas.so.13"
    for path in (cuda, other):
        compile_c(path, "", "-shared", f"-Wl,-soname,{path.name}")
    compile_c(root / "usr/bin/apt-get", APT, "-static")
    links = [
        "-Wl,--no-as-needed",
        "-Wl,-rpath,$ORIGIN/../nvidia/cu13/lib",
        "-x",
        "none",
        str(cuda),
        str(other),
    ]
    compile_c(folder / "_native.so", "", "-shared", *links)
    native = {"__init__.py": ACCEL, "_native.so": (folder / "_native.so").read_bytes()}
    (folder / "index").mkdir()
    add_wheel(folder / "index", "accel", tag="py3-none-linux_x86_64", package=native)
    add_wheel(folder / "index", "nvidia_cublas", package={"lib/libcublas.so.13": other.read_bytes()})
    (folder / "index/nvidia_cublas").rename(folder / "index/nvidia-cublas")
    (folder / "context/Containerfile").write_text("FROM scratch\nENV CUDA_VERSION=13.0.1\nCOPY root /\n")
    (folder / "registry").mkdir()
    with serving(folder / "index") as index, running(folder / "registry", Kind()) as registry:
        image = f"{registry}/nvidia/cuda:13.0.1-base-here"
        store = [
            "buildah",
            "--storage-driver=vfs",
            "--root",
            str(folder / "s"),
            "--runroot",
            str(folder / "r"),
        ]
        subprocess.run([*store, "build", "-q", "-t", image, str(folder / "context")], check=True)
        subprocess.run([*store, "push", "-q", "--tls-verify=false", image, f"docker://{image}"], check=True)
        yield folder / "index", index, image


@pytest.mark.engine
@pytest.mark.slow
def test_libraries_come_from_the_image_and_none_from_wheels(places, tmp_path):
    """What is needed is where wheels would have it, what the image lacks is installed in it first."""
    packages, index, image = places
    (tmp_path / "accelerated").mkdir()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "accelerated/__main__.py").write_text("import accel\n")
    lock = pin(packages, "accel") + pin(packages, "nvidia-cublas").replace("_", "-")
    (tmp_path / "requirements/gpu.txt").write_text(lock)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format(index=index))
    site = "directory", "--path=/opt/venv/lib/python3.13/site-packages", "glob", "--pattern=**/*.so*"

    result = call(tmp_path, f"--cuda-base={image}", "build", "--variant=gpu", *site)

    assert result.returncode == 0, result.stderr
    libraries = ["nvidia/cu13/lib/libcublas.so.13", "nvidia/cu13/lib/libcudart.so.13"]
    assert sorted(result.stdout.split()) == ["accel/_native.so", *libraries]
