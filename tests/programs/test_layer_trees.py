"""An environment's layers: a large wheel has its own, small ones share one, CUDA is at the bottom."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[2] / "pipeline/programs"
LARGE = 4_000_000


def environment(venv: Path, sizes: Mapping[str, int]) -> Path:
    """Write an environment with one module, its bytecode, a script and a RECORD per distribution."""
    site = venv / "lib/python3.13/site-packages"
    for name, size in sizes.items():
        package = site / name
        (package / "__pycache__").mkdir(parents=True)
        (package / "__init__.py").write_bytes(b"#" * size)
        (package / "__pycache__/__init__.cpython-313.pyc").write_bytes(b"c")
        script = venv / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text("")
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        rows = [f"{name}/__init__.py,,", f"../../../bin/{name},,", f"{info.name}/RECORD,,"]
        (info / "RECORD").write_text("\n".join(rows) + "\n")
    (venv / "pyvenv.cfg").write_text("")
    (venv / "include").mkdir()
    return site


def layers(venv: Path, sizes: Mapping[str, int], out: Path) -> dict[str, set[str]]:
    """Return the files of each layer of an environment, relative to it."""
    site = environment(venv, sizes)
    lines = f"write_layers(Path({str(venv)!r}), Path({str(site)!r}), Path({str(out)!r}))"
    subprocess.run(
        [sys.executable, "-c", f"from pathlib import Path; from layer_trees import write_layers; {lines}"],
        check=True,
        env={**os.environ, "PYTHONPATH": str(PROGRAMS)},
    )
    below = str(venv).lstrip("/")
    return {
        root.name: {str(p.relative_to(root / below)) for p in root.rglob("*") if p.is_file()}
        for root in sorted(out.iterdir())
    }


def test_a_large_distribution_has_a_layer_of_its_own(tmp_path: Path) -> None:
    """Its modules, bytecode, scripts and metadata are in that layer and in no other."""
    found = layers(tmp_path / "venv", {"big": LARGE, "small": 10}, tmp_path / "out")

    site = "lib/python3.13/site-packages"
    assert list(found) == ["00-big", "01-wheels"]
    assert found["00-big"] == {
        f"{site}/big/__init__.py",
        f"{site}/big/__pycache__/__init__.cpython-313.pyc",
        f"{site}/big-1.0.dist-info/RECORD",
        "bin/big",
    }
    assert f"{site}/small/__init__.py" in found["01-wheels"]
    assert "pyvenv.cfg" in found["01-wheels"]


def test_layers_together_are_the_environment(tmp_path: Path) -> None:
    """No file is lost and none is in two layers; empty folders stay."""
    sizes = {"big": LARGE, "nvidia_cublas": LARGE, "nvidia_small": 1, "small": 10}

    found = layers(tmp_path / "venv", sizes, tmp_path / "out")

    everything = {
        str(p.relative_to(tmp_path / "venv")) for p in (tmp_path / "venv").rglob("*") if p.is_file()
    }
    assert sorted(file for files in found.values() for file in files) == sorted(everything)
    assert list((tmp_path / "out").glob(f"*-wheels/{str(tmp_path).lstrip('/')}/venv/include"))


def test_cuda_is_at_the_bottom(tmp_path: Path) -> None:
    """Libraries that change least come first, small ones of NVIDIA together."""
    sizes = {"aaa": LARGE, "nvidia_cublas": LARGE, "nvidia_cudart": 1, "nvidia_nvrtc": 1}

    found = layers(tmp_path / "venv", sizes, tmp_path / "out")

    assert list(found) == ["00-nvidia", "01-nvidia-cublas", "02-aaa", "03-wheels"]


def test_an_image_does_not_get_a_layer_for_everything(tmp_path: Path) -> None:
    """Of ten large distributions the eight largest have a layer of their own."""
    sizes = {f"d{number}": LARGE + number for number in range(10)}

    found = layers(tmp_path / "venv", sizes, tmp_path / "out")

    assert list(found) == [*(f"{n:02}-d{n + 2}" for n in range(8)), "08-wheels"]


@pytest.mark.parametrize("bumped", ["small", "big"])
def test_a_bump_changes_one_layer(bumped: str, tmp_path: Path) -> None:
    """Every other layer keeps all of its bytes and times."""
    sizes = {"big": LARGE, "other": LARGE, "small": 10}
    venv = tmp_path / "venv"
    layers(venv, sizes, tmp_path / "one")
    venv.rename(tmp_path / "old")
    layers(venv, {**sizes, bumped: sizes[bumped] + 1}, tmp_path / "two")

    def states(root: Path) -> dict[str, tuple[int, int, float]]:
        return {
            str(path.relative_to(root)): (path.lstat().st_mode, path.lstat().st_size, path.lstat().st_mtime)
            for path in root.rglob("*")
            if path.is_file()
        }

    names = [path.name for path in sorted((tmp_path / "one").iterdir())]
    changed = [name for name in names if states(tmp_path / "one" / name) != states(tmp_path / "two" / name)]
    assert changed == [{"small": "02-wheels", "big": "00-big"}[bumped]]
