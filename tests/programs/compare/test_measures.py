"""Two archives and a few facts become one honest table."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.programs.layers.conftest import Archive

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "pipeline" / "programs"), str(ROOT)]
SECONDS = {"cold": 60.0, "warm": 0.5, "edit": 2.0}
START = {"ready_s": 1.0, "embedding_s": 1.5, "peak_bytes": 200e6}


@pytest.fixture
def folder(tmp_path):
    """Give two images of one service: 4 MB with a removed wheel, and 1 MB; both edited in one layer."""
    code = {"srv/app/main.py": b"code"}
    for side, size in (("naive", 4_000_000), ("ours", 1_000_000)):
        (tmp_path / side).mkdir()
        for name, text in (("image", b"code"), ("edited", b"edit")):
            archive = Archive().of("pip", {"big": b"x" * size, "wheel": b"w" * 100_000})
            archive = archive.of("rm wheel", {".wh.wheel": b""}) if side == "naive" else archive
            archive.of("copy", code | {"srv/app/main.py": text}).write(tmp_path / side / f"{name}.tar")
    return tmp_path


@pytest.fixture
def compare(folder, monkeypatch):
    """Return a function that compares them with changed facts and gives the folder of results."""

    def compared(**changes):
        starts = {"starts": [START, START | {"ready_s": 3.0}, START], "failure": ""}
        facts = {
            "variant": "cpu",
            "base": "python:3.13-slim",
            "torch": False,
            "now": "n",
            "dockerfile": "FROM x",
        }
        facts |= {"seconds": {"naive": SECONDS, "ours": SECONDS | {"edit": 1.0}}}
        facts |= {
            "starts": {"naive": starts, "ours": starts},
            "vulnerabilities": {"reason": "not scanned: no data"},
        }
        (folder / "facts.json").write_text(json.dumps(facts | changes))
        monkeypatch.setattr(sys, "argv", ["compare", "--in", str(folder), "--out", str(folder / "out")])
        from compare import run  # noqa: PLC0415 - found once sys.path is set

        return run.main(), folder / "out"

    return compared


def by_key(out: Path) -> dict[str, dict[str, Any]]:
    """Return the measures of compare.json by their key."""
    return {one["key"]: one for one in json.loads((out / "compare.json").read_text())["measures"]}


def test_sizes_come_from_the_archives(compare):
    """Raw size is the sum of the layers, and the ratio says how many times less ours is."""
    raw = by_key(compare()[1])["raw"]

    assert (round(raw["naive"], 1), round(raw["ours"], 1)) == (4.1, 1.1)
    assert round(raw["ratio"], 1) == 3.7


def test_waste_of_the_naive_image_is_counted(compare):
    """A wheel that is copied and then removed is shipped for nothing."""
    wasted = by_key(compare()[1])["wasted"]

    assert (wasted["naive"], wasted["ours"]) == (0.1, 0)


def test_an_edit_pushes_what_has_a_new_digest(compare):
    """One layer of code, the configuration and the manifest: not the large layer below."""
    _, out = compare()

    assert 10 < by_key(out)["pushed"]["naive"] < 15
    assert "pushed layers: naive 1 of 3, ours 1 of 2" in (out / "compare.txt").read_text()


def test_the_median_start_counts_and_the_spread_is_shown(compare):
    """One slow start of three changes the spread, not the number."""
    ready = by_key(compare()[1])["ready_s"]

    assert (ready["naive"], ready["spread"].split(",")[0]) == (1.0, "naive 1 to 3 in 3 starts")


def test_what_was_not_measured_is_no_number(compare):
    """Without advisories there is no count of vulnerabilities, no ratio and no bar, but a reason."""
    _, out = compare()

    assert by_key(out)["vulnerabilities"]["naive"] is None
    assert "known vulnerabilities: not scanned: no data" in (out / "compare.txt").read_text()
    assert "known vulnerabilities" not in (out / "compare.svg").read_text()


def test_an_image_that_does_not_start_is_said_so(compare):
    """The failure is in the table and the other image's number stays."""
    good = {"starts": [START], "failure": ""}
    _, out = compare(starts={"naive": {"starts": [], "failure": "ValueError: exit code 1"}, "ours": good})

    assert by_key(out)["ready_s"]["naive"] is None
    assert by_key(out)["ready_s"]["ours"] == 1.0
    assert "naive did not start: ValueError: exit code 1" in (out / "compare.txt").read_text()


def test_archives_that_are_no_images_are_refused(compare, folder, capsys):
    """Nothing is compared with half of the evidence."""
    (folder / "ours" / "image.tar").write_text("no tar")

    status, out = compare()

    assert (status, out.exists()) == (2, False)
    assert "no comparison: image.tar" in capsys.readouterr().err
