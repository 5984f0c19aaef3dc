"""A cache key counts the code that builds the directory: a forgotten file would give a stale entry."""

from pathlib import Path

import pytest

from pipeline.build.cache_keys import LAYERS, MODELS, WHEELS
from tests.pipeline.test_mounted_programs import MOUNTED, NAME, PIPELINE, PROGRAMS, needs


def builders(room: str) -> set[Path]:
    """Return the files that build what a room returns: itself, its programs, what they import."""
    text = (PIPELINE / room).read_text()
    calls = [*MOUNTED.findall(text), *(line for line in text.splitlines() if "with_packages(" in line)]
    named = {name for call in calls for name in NAME.findall(call) if (PROGRAMS / name).exists()}
    named |= {other for name in named for other in needs(name)}
    files = {PROGRAMS / name for name in named}
    return {PIPELINE / room, PIPELINE / "containers.py"} | {
        file for path in files for file in ([path] if path.is_file() else path.rglob("*.py"))
    }


def forgotten(room: str, patterns: tuple[str, ...]) -> set[str]:
    """Return the files that build, and that no pattern of the key counts."""
    counted = {path for pattern in patterns for path in PIPELINE.glob(pattern)}
    return {str(path.relative_to(PIPELINE)) for path in builders(room) - counted}


@pytest.mark.parametrize(
    ("room", "patterns"),
    [
        ("build/wheels.py", WHEELS),
        ("build/models.py", MODELS),
        ("build/image.py", LAYERS),
        ("build/rootfs.py", LAYERS),
        ("build/stages.py", LAYERS),
    ],
)
def test_a_key_counts_every_file_that_builds(room: str, patterns: tuple[str, ...]) -> None:
    """Whatever a stage runs is part of the key of what it builds."""
    assert forgotten(room, patterns) == set()


def test_a_forgotten_file_is_found() -> None:
    """Without the pattern of a program the test above fails."""
    assert forgotten("build/wheels.py", ("containers.py", "build/*.py")) >= {"programs/check_wheels.py"}
