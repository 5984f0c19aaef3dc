"""The table of an image's layers."""

from pathlib import Path

from layer_table import table

from tests.programs.layers.conftest import Archive


def test_neighbours_with_the_same_folders_have_one_line(tmp_path: Path) -> None:
    """Shares of the application stand in one line with their sum; other layers keep theirs."""
    archive = Archive().layer("wheels", opt__lib=b"x" * 20_000)
    for share in range(3):
        archive.of("app", {f"srv/app/{share}.py": b"y" * 30_000})
    path = str(archive.of("model", {"models/minilm/m.onnx": b"z"}).write(tmp_path / "image.tar"))
    lines = table(path, path).splitlines()
    assert [line.split()[0] for line in lines] == ["layer", "1", "2-4", "5", "all"]
    assert "srv/app 0.1" in lines[2]
    assert lines[2].split()[1:3] == ["0.12", "0.12"]


def test_a_deep_folder_is_named_by_its_end(tmp_path: Path) -> None:
    """Of a long path the table has the last part, of a short one all, and of crumbs nothing."""
    files = {"usr/lib/x86_64-linux-gnu/libz.so.1": b"z" * 90_000, "models/minilm/m.onnx": b"m" * 80_000}
    path = str(Archive().of("all", files | {"var/lib/x": b"x"}).write(tmp_path / "image.tar"))
    assert table(path, path).splitlines()[1].endswith("  libz.so.1 0.1, models/minilm 0.1")
