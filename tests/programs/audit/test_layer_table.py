"""The table of an image's layers."""

from pathlib import Path

from layer_table import table

from tests.programs.audit.conftest import Archive


def test_neighbours_with_the_same_folders_have_one_line(tmp_path: Path) -> None:
    """Shares of the application stand in one line with their sum; other layers keep theirs."""
    archive = Archive().layer("wheels", opt__lib=b"x" * 20_000)
    for share in range(3):
        archive.of("app", {f"srv/app/{share}.py": b"y" * 10_000})
    path = str(archive.of("model", {"models/minilm/m.onnx": b"z"}).write(tmp_path / "image.tar"))
    lines = table(path, path).splitlines()
    assert [line.split()[0] for line in lines] == ["layer", "1", "2-4", "5", "all"]
    assert "srv/app 0.0" in lines[2]
    assert lines[2].split()[1:3] == ["0.06", "0.06"]
