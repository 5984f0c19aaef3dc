"""The proof on a GPU: nodes are counted by who ran them, and no GPU is a reason, not a pass."""

import ctypes
import importlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

PROGRAM = Path(__file__).parents[2] / "pipeline/programs/gpu_check.py"
PROFILE = [
    {"cat": "Session", "name": "session_initialization", "args": {}},
    {"cat": "Node", "name": "a_fence_before", "args": {"op_name": "MatMul"}},
    {"cat": "Node", "name": "a_kernel_time", "args": {"provider": "CUDAExecutionProvider"}},
    {"cat": "Node", "name": "b_kernel_time", "args": {"provider": "CPUExecutionProvider"}},
]
"""The shapes of events that ONNX Runtime 1.28 writes."""


@pytest.fixture
def gpu_check(monkeypatch):
    """Load the program as its container does: from the folder of the programs."""
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    return importlib.import_module("gpu_check")


def test_nodes_are_counted_by_provider(gpu_check):
    """Only what a provider ran counts: no session event, no fence."""
    counted = gpu_check.count_nodes(PROFILE)

    assert counted == {"CUDAExecutionProvider": 1, "CPUExecutionProvider": 1}


@pytest.mark.parametrize(
    ("counted", "start"),
    [({"CUDAExecutionProvider": 3}, "passed"), ({"CPUExecutionProvider": 3}, "failed"), ({}, "failed")],
)
def test_a_model_that_ran_elsewhere_has_failed(gpu_check, counted, start):
    """A silent fall back to the processor is what the check is for."""
    assert gpu_check.verdict(Counter(counted), gpu_check.CUDA).startswith(start)


@pytest.mark.integration
def test_without_a_driver_the_check_is_skipped_with_the_reason(tmp_path):
    """Exit status 0, and every report says why nothing was run."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        pass
    else:
        pytest.skip("this machine has an NVIDIA driver")
    (tmp_path / "m.onnx").touch()

    command = [sys.executable, str(PROGRAM), "--models", str(tmp_path), "--out", str(tmp_path)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0

    reason = "no NVIDIA driver in the container (libcuda.so.1"
    assert json.loads((tmp_path / "gpu.json").read_text())["skipped"].startswith(reason)
    assert reason in (tmp_path / "gpu.log").read_text()
    suite = ET.parse(tmp_path / "gpu.xml").getroot()  # noqa: S314 - our own file
    assert suite.get("skipped") == "1"
