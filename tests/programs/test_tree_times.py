"""Times are set on links themselves: Dagger's own withTimestamps follows them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[2] / "pipeline/programs"
EPOCH = 315532800


LINKS = {
    "relative": "file",
    "to-folder": "folder",
    "dangling": "nowhere",
    "absolute": "/etc/hostname",
    "leaving": "../../..",
    "loop": "loop",
    "circle": "folder/back",
}


def linked_tree(root: Path) -> Path:
    """Write a tree with every kind of link that a tree can hold."""
    (root / "folder/empty").mkdir(parents=True)
    (root / "file").write_text("x")
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    (root / "folder/back").symlink_to("../circle")
    return root


def times(root: Path) -> set[float]:
    """Return every time in a tree, the links' own."""
    return {path.lstat().st_mtime for path in [root, *root.rglob("*")]}


def in_place(tree: Path, _folder: Path) -> Path:
    """Fix the times of a tree where it is."""
    run(f"from tree_times import fix_times; fix_times(Path({str(tree)!r}))")
    return tree


def copied(tree: Path, folder: Path) -> Path:
    """Fix the times of a copy, as a whole base does with what apt installed."""
    run_program = [sys.executable, str(PROGRAMS / "tree_times.py"), str(tree), str(folder / "copy")]
    subprocess.run(run_program, check=True)
    return folder / "copy"


def dealt(tree: Path, folder: Path) -> Path:
    """Deal a tree to layers, as the environment is."""
    dealing = f"t = Path({str(tree)!r}); write_layers(t, t, t.parent / 'out')"
    run(f"from layer_trees import write_layers; {dealing}")
    return folder / "00-wheels" / str(tree).lstrip("/")


def unpacked(tree: Path, folder: Path) -> Path:
    """Pack and unpack a tree, as the remote cache does."""
    archive = folder / "packed"
    run(
        f"from oci.trees import pack, unpack; a = Path({str(archive)!r}); pack(Path({str(tree)!r}), a);"
        f" unpack(a, Path({str(folder / 'tree')!r}))"
    )
    return folder / "tree"


def run(lines: str) -> None:
    """Run lines that import programs."""
    environment = {**os.environ, "PYTHONPATH": str(PROGRAMS)}
    subprocess.run(
        [sys.executable, "-c", f"from pathlib import Path; {lines}"], check=True, env=environment, text=True
    )


@pytest.mark.parametrize("fixed", [in_place, copied, dealt, unpacked])
def test_a_tree_with_links_gets_its_times(fixed: Callable[[Path, Path], Path], tmp_path: Path) -> None:
    """Dangling, absolute, leaving and looping links get the time themselves, and stay as they are."""
    tree = linked_tree(tmp_path / "tree")
    (tmp_path / "out").mkdir()

    result = fixed(tree, tmp_path / "out")

    assert times(result) == {EPOCH}
    found = {path.name: str(path.readlink()) for path in result.rglob("*") if path.is_symlink()}
    assert found == {**LINKS, "back": "../circle"}


def test_files_outside_the_tree_keep_their_times(tmp_path: Path) -> None:
    """A link that leads out of the tree changes nothing there."""
    outside = tmp_path / "outside"
    outside.write_text("x")
    os.utime(outside, (1_700_000_000, 1_700_000_000))
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(outside)

    in_place(tree, tmp_path)

    assert outside.stat().st_mtime == 1_700_000_000
