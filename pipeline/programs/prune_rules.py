"""What of installed wheels is left out of the image, and why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One thing that no running service opens."""

    name: str
    """Named in the report, in errors, and by a service that keeps what the rule drops."""
    patterns: tuple[str, ...]
    """Globs of paths below site-packages; `*` crosses folders."""
    reason: str
    spares: tuple[str, ...] = ()
    """Globs of paths that stay although a pattern matches."""


SYMBOLS = "symbols"
"""Name of the rule that strips instead of dropping: names of local functions, read by debuggers."""
UNUSED = "cuda-unused"
"""Name of the rule that drops CUDA libraries whose users link them and use no symbol of them."""
STRIP_SPARES = ("nvidia/*", "torch/*")
"""Not stripped: the vendors strip these themselves, and a CUDA library cannot be proven without a GPU."""
STRIP_GAIN = 0.02
"""Least part of a file that stripping must save; else its bytes stay as the wheel has them."""

RULES = (
    Rule(
        "onnxruntime-c-library",
        ("onnxruntime/capi/libonnxruntime.so*",),
        "the runtime a second time, for C programs; Python's module has its own copy inside",
    ),
    Rule(
        "onnxruntime-tensorrt",
        ("onnxruntime/capi/libonnxruntime_providers_tensorrt.so",),
        "the provider of TensorRT, which is not installed: its libraries are no requirement of the wheel",
    ),
    Rule(
        "cuda-extras",
        ("nvidia/*/libnvblas.so*", "nvidia/*/bin/*", "nvidia/*/nvvm/*", "nvidia/*/src/*", "*.alt.so*"),
        "replaces the system's BLAS, compiles kernels: what inference does not do",
    ),
    Rule(
        "onnxruntime-tools",
        tuple(
            f"onnxruntime/{part}/*"
            for part in ("backend", "datasets", "quantization", "tools", "transformers")
        ),
        "convert and shrink models, which happens in the builder",
    ),
    Rule(
        "numpy-build",
        (
            "numpy/f2py/*",
            "numpy/distutils/*",
            "numpy/_core/lib/*",
            "numpy/random/lib/*",
            "numpy/random/_examples/*",
            "numpy/_core/_*_tests.*.so",
            "numpy/_core/_simd.*.so",
            "numpy/_pyinstaller/*",
        ),
        "for compiling extensions against numpy, and modules that only its own tests load",
    ),
    Rule(
        "tests",
        ("*/tests/*", "*/conftest.py", "*/test_*.py"),
        "tests of the packages themselves",
        spares=("numpy/_core/tests/_natype.py",),  # imported by numpy.testing
    ),
    Rule(
        "headers",
        tuple(
            f"*.{end}"
            for end in ("h", "hpp", "hxx", "cuh", "pxd", "pyx", "pxi", "c", "cpp", "cu", "f90", "a")
        ),
        "for compilers",
    ),
    Rule("build-metadata", ("*/cmake/*", "*/pkgconfig/*", "*.cmake", "*.pc"), "for compilers"),
    Rule(
        "installer-traces",
        ("*.dist-info/uv_cache.json",),
        "when a wheel was downloaded: differs at every build",
    ),
    Rule("type-stubs", ("*.pyi", "*/py.typed"), "read by type checkers"),
)
"""Applied in this order; a file is counted for the first rule that matches."""
