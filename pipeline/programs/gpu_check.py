"""Run each ONNX model on the GPU, inside the image, and count which nodes ran there.

    gpu_check.py --models /models --out DIR [--provider NAME]

Writes DIR/gpu.log, gpu.xml (JUnit) and gpu.json: exit code, seconds and, where there is no GPU, why
nothing was run. Exit status 1 when a model ran and not one node of it was on the provider.
"""

import argparse
import ctypes
import json
import os
import sys
import tempfile
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def main() -> int:
    """Return 1 when a model did not run on the provider."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--provider", default=CUDA)
    options = parser.parse_args()
    started = time.monotonic()
    models = sorted(options.models.rglob("*.onnx"))
    skipped = obstacle() if options.provider == CUDA else ""
    skipped = skipped or ("" if models else f"no ONNX model below {options.models}")
    lines: dict[str, str] = {}
    if not skipped:
        lines = {str(model): verdict(nodes(model, options.provider), options.provider) for model in models}
    exit_code = int(any(line.startswith("failed") for line in lines.values()))
    facts = {"exit_code": exit_code, "seconds": round(time.monotonic() - started, 3)}
    write_reports(options.out, lines, {**facts, **({"skipped": skipped} if skipped else {})})
    return exit_code


def obstacle() -> str:
    """Return why no GPU can be used, "" where one can."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return f"no NVIDIA driver in the container ({error})"
    if code := driver.cuInit(0):
        return f"the NVIDIA driver does not start (cuInit returns {code})"
    count = ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    return "" if count.value else "the NVIDIA driver finds no GPU"


def nodes(model: Path, provider: str) -> Counter[str]:
    """Run a model once on inputs of ones; return how many nodes each provider ran."""
    import onnxruntime as ort  # noqa: PLC0415 - what the image has; absent where there is no model

    open_cuda_libraries()
    with tempfile.TemporaryDirectory() as folder:
        settings = ort.SessionOptions()
        settings.enable_profiling = True
        settings.profile_file_prefix = f"{folder}/profile"
        session = ort.InferenceSession(model, settings, providers=list(dict.fromkeys((provider, CPU))))
        session.run(None, {item.name: ones(item) for item in session.get_inputs()})
        return count_nodes(json.loads(Path(session.end_profiling()).read_text()))


def open_cuda_libraries() -> None:
    """Open the CUDA libraries of wheels, which the loader does not find; cublasLt before cublas."""
    wheels = find_spec("nvidia")
    for folder in (wheels.submodule_search_locations or ()) if wheels else ():
        for library in sorted(Path(folder).glob("*/lib/lib*.so.*"), reverse=True):
            ctypes.CDLL(str(library))


def ones(item: Any) -> Any:
    """Return an input of ones; 8 stands for every size that is free."""
    import numpy as np  # noqa: PLC0415 - comes with ONNX Runtime

    types = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float16)": np.float16}
    shape = [size if isinstance(size, int) else 8 for size in item.shape]
    return np.ones(shape, types.get(item.type, np.float32))


def count_nodes(profile: list[dict[str, Any]]) -> Counter[str]:
    """Return provider -> nodes that it ran, of the events of an ONNX Runtime profile."""
    runs = [event for event in profile if event.get("cat") == "Node" and "provider" in event.get("args", {})]
    return Counter(event["args"]["provider"] for event in runs)


def verdict(counted: Counter[str], provider: str) -> str:
    """Return one line: passed or failed, and who ran how many nodes."""
    listed = ", ".join(f"{count} on {name}" for name, count in counted.most_common()) or "none"
    return f"{'passed' if counted[provider] else 'failed'}: nodes run: {listed}; expected {provider}"


def write_reports(out: Path, lines: dict[str, str], facts: dict[str, Any]) -> None:
    """Write the log, JUnit and the facts."""
    skipped = facts.get("skipped", "")
    text = [f"{model}: {line}" for model, line in lines.items()] or [f"skipped: {skipped}"]
    print("\n".join(text))
    (out / "gpu.log").write_text("\n".join(text) + os.linesep)
    (out / "gpu.json").write_text(json.dumps(facts))
    cases = lines or {"gpu": ""}
    suite = ET.Element("testsuite", name="gpu", tests=str(len(cases)), skipped=str(int(bool(skipped))))
    suite.set("failures", str(sum(line.startswith("failed") for line in lines.values())))
    for model, line in cases.items():
        case = ET.SubElement(suite, "testcase", classname="gpu", name=model)
        if skipped:
            ET.SubElement(case, "skipped", message=skipped)
        elif line.startswith("failed"):
            ET.SubElement(case, "failure", message=line)
    ET.ElementTree(suite).write(out / "gpu.xml", encoding="unicode", xml_declaration=True)


if __name__ == "__main__":
    sys.exit(main())
