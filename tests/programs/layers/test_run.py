"""A whole audit: table, JSON and picture of an archive, and what is refused."""

import json
import sys
from xml.etree import ElementTree as ET

import pytest
import zstandard
from layers import run
from layers.archive import read_image
from layers.errors import ImageError

BIG = b"x" * 1_500_000
RECORD = b"pkg/__init__.py,,\npkg/data.bin,,\npkg-1.0.dist-info/RECORD,,\n"
SITE = "opt/venv/lib/python3.13/site-packages"


@pytest.fixture
def audit(tmp_path, monkeypatch, capsys):
    """Return a function that audits an archive into a folder; gives exit status, folder, stderr."""

    def audited(path, makers=None):
        (tmp_path / "makers.json").write_text(json.dumps(makers or {}))
        words = ["--raw", path, "--zstd", path, "--makers", tmp_path / "makers.json"]
        monkeypatch.setattr(sys, "argv", ["layers", *map(str, words), "--out", str(tmp_path / "out")])
        return run.main(), tmp_path / "out", capsys.readouterr().err

    return audited


def test_waste_names_the_command_that_made_it(archive, audit, tmp_path):
    """Both the layer that ships the bytes and the layer that hides them are named."""
    archive.layer("/bin/sh -c COPY wheels", a=BIG).of("rm -rf /a", {".wh.a": b""})

    _, out, _ = audit(archive.write(tmp_path / "image.tar"))

    text = (out / "layers.txt").read_text()
    assert "waste 1.50 MB: shadowed 0.00, removed 1.50, duplicate 0.00" in text
    assert "made in layer 1 by COPY wheels; removed in layer 2 by rm -rf /a" in text


def test_first_lines_are_the_table_of_layers(archive, audit, tmp_path):
    """Other programs read the table, so the audit adds below it only."""
    _, out, _ = audit(archive.layer("a", usr__x=BIG).write(tmp_path / "image.tar"))

    head, first, sums, *_ = (out / "layers.txt").read_text().splitlines()
    assert head == "layer    raw MB   zstd MB  largest contents (MB)"
    assert first.startswith("    1      1.51      1.51  usr/x 1.5")
    assert sums.startswith("  all      1.51      1.51  written twice 0.00")


def test_json_counts_packages_and_files(archive, audit, tmp_path):
    """Debian's records and dist-info folders are counted as a container sees them."""
    status = b"Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: deinstall ok config-files\n"
    files = {f"{SITE}/pkg/__init__.py": b"", f"{SITE}/pkg-1.0.dist-info/RECORD": RECORD}
    archive.of("base", {"var/lib/dpkg/status": status, "var/lib/dpkg/status.d/c": b"Package: c\n"})
    archive.of("pip install pkg", {**files, "var/lib/dpkg/status.d/c.md5sums": b"0  usr/bin/c\n"})

    document = json.loads((audit(archive.write(tmp_path / "image.tar"))[1] / "layers.json").read_text())

    counted = {key: document[key] for key in ("os_packages", "python_packages", "files")}
    assert counted == {"os_packages": 2, "python_packages": 1, "files": 5}


def test_files_are_put_down_to_their_packages(archive, audit, tmp_path):
    """RECORD, dpkg's records and the folder decide, also for bytecode that RECORD does not list."""
    files = {f"{SITE}/pkg-1.0.dist-info/RECORD": RECORD, f"{SITE}/pkg/__pycache__/a.pyc": BIG}
    files |= {"var/lib/dpkg/info/libc6:amd64.list": b"/lib/libc.so.6\n", "usr/lib/libc.so.6": BIG[:-1]}
    archive.of("all", {**files, "models/minilm/model.onnx": BIG[:-2], "srv/app/rag/main.py": b"code"})

    document = json.loads((audit(archive.write(tmp_path / "image.tar"))[1] / "layers.json").read_text())

    packages = document["layers"][0]["packages"]
    assert list(packages)[:3] == ["pkg", "libc6", "minilm"]
    assert packages["/srv/app"] == 4


def test_the_pipeline_names_its_own_layers(archive, audit, tmp_path):
    """By the folder that they hold; the history names the others, and "base" is no command."""
    archive.layer("base", a=b"1").layer("RUN make", srv__b=b"2").layer("copy", srv__app__c=b"3")
    path = archive.write(tmp_path / "image.tar")

    document = json.loads((audit(path, {"/srv/app": "place_app.py"})[1] / "layers.json").read_text())

    assert [layer["command"] for layer in document["layers"]] == ["", "RUN make", "place_app.py"]


def test_the_map_is_one_self_contained_picture(archive, audit, tmp_path):
    """It names every large package, has both colour schemes, and refers to nothing outside."""
    archive.of("pip", {f"opt/<{number}>": BIG[number:] for number in range(4)})

    text = (audit(archive.write(tmp_path / "image.tar"))[1] / "layers.svg").read_text()

    titles = [one.text for one in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}title")]  # noqa: S314
    assert "/opt/<0>: 1.5 MB, layer 1" in titles
    assert "prefers-color-scheme:dark" in text
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_an_archive_that_is_no_image_is_refused(audit, tmp_path):
    """Text, a tar without index.json and compressed layers are told apart, and nothing is written."""
    (tmp_path / "text.tar").write_text("not a tar")

    status, out, said = audit(tmp_path / "text.tar")

    assert (status, out.exists()) == (2, False)
    assert "no audit: text.tar: file could not be opened successfully" in said
    assert "Export the image with `dagger call build -o image.tar`" in said


def test_a_tar_without_index_is_refused(audit, tmp_path, archive):
    """Any other tar archive is named as what it is not."""
    path = archive.write(tmp_path / "image.tar")
    path.write_bytes(path.read_bytes().replace(b"index.json", b"other.json"))

    status, _, said = audit(path)

    assert status == 2
    assert "image.tar has no index.json; expected an OCI archive" in said


def test_a_zstd_layer_is_read_like_the_tar_in_it(archive, tmp_path):
    """Where zstandard is installed; size and contents are those of the uncompressed layer."""
    plain = read_image(archive.layer("a", x=b"1" * 5000).write(tmp_path / "raw.tar"))
    archive.kind += "+zstd"
    archive.pack = zstandard.ZstdCompressor().compress
    packed = read_image(archive.write(tmp_path / "zstd.tar"))

    assert packed.layers[0].entries == plain.layers[0].entries
    assert packed.raw_bytes == plain.raw_bytes


def test_a_damaged_zstd_layer_is_refused(archive, tmp_path):
    """What is no zstd stream is an error that names the layer."""
    archive.kind += "+zstd"

    with pytest.raises(ImageError, match=r"i\.tar: layer 1: .* expected a whole layer"):
        read_image(archive.layer("a", x=b"1").write(tmp_path / "i.tar"))


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_compressed_layers_are_refused(audit, tmp_path, archive, monkeypatch, kind):
    """The audit reads contents, which a compressed layer hides from the standard library."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    archive.kind += f"+{kind}"

    status, _, said = audit(archive.layer("a", x=b"1").write(tmp_path / "image.tar"))

    assert status == 2
    assert f"layer 1 is {kind}; expected uncompressed layers" in said


def test_a_damaged_archive_is_refused(audit, tmp_path, archive):
    """An archive that ends too soon is an error, not a smaller image."""
    path = archive.layer("a", x=BIG).write(tmp_path / "image.tar")
    path.write_bytes(path.read_bytes()[:700_000])

    status, _, said = audit(path)

    assert status == 2
    assert "no audit" in said
