"""Publish: a finished directory arrives whole, or nothing does."""

from pathlib import Path

from models.atomic_copy import publish

from tests.programs.models.interpreter import Programs

SCRIPT = """
import resource, sys
from pathlib import Path
from models.errors import exit_status
from models.atomic_copy import publish
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(exit_status(lambda: publish(Path(sys.argv[1]), Path(sys.argv[2]))))
"""


def test_links_and_folders_arrive_as_they_are(tmp_path: Path) -> None:
    """Files are copied, relative links stay links."""
    (tmp_path / "stage" / "deep").mkdir(parents=True)
    (tmp_path / "stage" / "deep" / "file").write_text("x")
    (tmp_path / "stage" / "link").symlink_to("deep/file")
    publish(tmp_path / "stage", tmp_path / "out")

    assert (tmp_path / "out" / "link").readlink() == Path("deep/file")
    assert (tmp_path / "out" / "deep" / "file").read_text() == "x"


def test_disk_that_takes_no_more_leaves_nothing(programs: Programs, tmp_path: Path) -> None:
    """When a file cannot be written to its end, no other file stays either, and one line says why."""
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "a.json").write_text("{}")
    (tmp_path / "stage" / "model.onnx.data").write_bytes(bytes(200_000))
    done = programs.run("-c", SCRIPT, tmp_path / "stage", tmp_path / "out")

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
