"""What of installed wheels is left out of the image, and why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One kind of file that no running service opens."""

    name: str
    """Named in the report, in errors, and by a service that keeps what the rule drops."""
    patterns: tuple[str, ...]
    """Globs of paths below site-packages: `*` stays in one folder, `**` crosses folders."""
    reason: str
    contains: str = ""
    """Regular expression that a file must contain to be dropped; "" for any file."""
    specific: bool = False
    """Written for one package after reading it: a data file that its code names may still go."""
    offered_by: tuple[str, ...] = ()
    """Modules that load on request what the rule drops and do not use it: no reason to keep it."""
    scripts: tuple[str, ...] = ()
    """Console scripts that go with the rule: their entry points are not a reason to keep a module."""


SYMBOLS = "symbols"
"""Name of the rule that strips instead of dropping: names of local functions, read by debuggers."""
UNUSED = "cuda-unused"
"""Name of the rule that drops CUDA libraries whose users link them and use no symbol of them."""
SCRIPTS = "console-scripts"
"""Name of the rule that drops the console scripts whose module a rule dropped."""
OTHERS = {
    SYMBOLS: ("*.so, strip --strip-unneeded", "names of local functions, read by debuggers"),
    UNUSED: ("nvidia/**/*.so*", "linked by a library that uses no symbol of it; the link goes too"),
    SCRIPTS: ("bin/*", "console scripts whose module another rule dropped"),
}
"""Rules that are more than globs: name -> (what they look at, reason)."""
STRIP_SPARES = ("nvidia/**", "torch/**")
"""Not stripped: the vendors strip these themselves, and a CUDA library cannot be proven without a GPU."""
STRIP_GAIN = 0.02
"""Least part of a file that stripping must save; else its bytes stay as the wheel has them."""
TEST_FUNCTION = r"(?m)^\s*((async )?def test_?\w*\(|class \w+\(.*TestCase|import (pytest|unittest))"
"""What makes a module named test_… a test: helpers of that name are imported by users."""

RULES = (
    Rule(
        "onnxruntime-c-library",
        ("onnxruntime/capi/libonnxruntime.so*",),
        "the runtime a second time, for C programs; Python's module has its own copy inside",
        specific=True,
    ),
    Rule(
        "onnxruntime-tensorrt",
        ("onnxruntime/capi/libonnxruntime_providers_tensorrt.so",),
        "the provider of TensorRT, which is not installed: its libraries are no requirement of the wheel",
        specific=True,
    ),
    Rule(
        "cuda-extras",
        ("nvidia/**/libnvblas.so*", "nvidia/*/bin/**", "nvidia/*/nvvm/**", "nvidia/*/src/**", "**/*.alt.so*"),
        "replaces the system's BLAS, compiles kernels: what inference does not do",
        specific=True,
    ),
    Rule(
        "onnxruntime-tools",
        tuple(
            f"onnxruntime/{part}/**"
            for part in ("backend", "datasets", "quantization", "tools", "transformers")
        ),
        "convert and shrink models, which happens in the builder",
        specific=True,
        scripts=("onnxruntime_test",),
    ),
    Rule(
        "numpy-build",
        (
            "numpy/_core/include/**",
            "numpy/_core/lib/**",
            "numpy/random/lib/**",
            "numpy/random/_examples/**",
            "numpy/_core/_*_tests.*.so",
            "numpy/_core/_simd.*.so",
            "numpy/_pyinstaller/**",
        ),
        "for compiling extensions against numpy, and modules that only its own tests load",
        specific=True,
    ),
    Rule(
        "numpy-f2py",
        ("numpy/f2py/**",),
        "translates Fortran for compilers; numpy itself only offers it as an attribute",
        specific=True,
        offered_by=("numpy/__init__.py", "numpy/conftest.py"),
        scripts=("f2py",),
    ),
    Rule("tests", ("**/tests/**", "**/conftest.py"), "tests of the packages themselves"),
    Rule(
        "test-modules", ("**/test_*.py",), "tests that are not in a folder of tests", contains=TEST_FUNCTION
    ),
    Rule(
        "headers",
        tuple(
            f"**/*.{end}"
            for end in ("h", "hpp", "hxx", "cuh", "pxd", "pyx", "pxi", "c", "cpp", "cu", "f90", "a")
        ),
        "for compilers",
    ),
    Rule("build-metadata", ("**/cmake/**", "**/pkgconfig/**", "**/*.cmake", "**/*.pc"), "for compilers"),
    Rule(
        "installer-traces",
        ("*.dist-info/uv_cache.json",),
        "when a wheel was downloaded: differs at every build",
    ),
    Rule("type-stubs", ("**/*.pyi", "**/py.typed"), "read by type checkers"),
)
"""Applied in this order; a file is counted for the first rule that matches."""
