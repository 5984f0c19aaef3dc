"""lock: what is declared becomes pinned bytes; a stale lock says what differs."""

from hashlib import sha256
from pathlib import Path

import pytest
from models.lock import main

from tests.programs.models.hub_server import HubServer
from tests.programs.models.tiny_model import CARD, FILES

pytestmark = pytest.mark.integration


def declare(path: Path, source: str, more: str = "") -> Path:
    """Write a pyproject.toml with one model for two variants."""
    path.write_text(
        f'[tool.wheelhouse.models.tiny]\nsource = "{source}"\n'
        f'files = ["config.json", "model.safetensors"]\n{more}\n'
        '[tool.wheelhouse.variants.cpu]\nmodels = ["tiny"]\n'
        '[tool.wheelhouse.variants.gpu]\nmodels = ["tiny"]\nexport = "onnx-fp16"\n'
    )
    return path


@pytest.fixture
def service(hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Declare the small model of a served hub."""
    hub.files = {**FILES, **CARD}
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    return declare(tmp_path / "pyproject.toml", hub.source)


def lock(pyproject: Path, *more: str) -> int:
    """Run models.lock beside the project."""
    out = pyproject.parent / "models.lock"
    return main(["--pyproject", str(pyproject), "--out", str(out), "--back-off", "0.01", *more])


def test_lock_pins_bytes_licence_and_exports(service: Path) -> None:
    """The lock has sha256 and size per file, the card's licence, and every variant's export."""
    assert lock(service) == 0
    text = (service.parent / "models.lock").read_text()
    assert sha256(FILES["model.safetensors"]).hexdigest() in text
    assert 'licence = "mit"' in text
    assert 'exports = ["onnx-fp16", "onnx-int8"]' in text
    assert "README.md" not in text


def test_files_stay_files_in_every_variant(service: Path, hub: HubServer) -> None:
    """A variant's own export is for models; what is kept as files has no other format."""
    declare(service, hub.source, 'export = "files"')

    assert lock(service) == 0
    assert 'exports = ["files"]' in (service.parent / "models.lock").read_text()


def test_locking_twice_writes_the_same(service: Path) -> None:
    """A second lock changes nothing, and --check agrees."""
    lock(service)
    first = (service.parent / "models.lock").read_bytes()

    assert lock(service) == 0
    assert (service.parent / "models.lock").read_bytes() == first
    assert lock(service, "--check") == 0


def test_stale_lock_says_what_differs(service: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After another source is declared, --check names it and the command."""
    lock(service)
    declare(service, "dir://weights")

    assert lock(service, "--check") == 1
    printed = capsys.readouterr().err
    assert "sources" in printed
    assert "call lock" in printed


def test_moving_revision_is_refused(service: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`main` is not locked."""
    declare(service, "hf://owner/tiny@main")

    assert lock(service) == 1
    assert "expected the 40-hex commit" in capsys.readouterr().err
    assert not (service.parent / "models.lock").exists()


def test_model_without_licence_is_refused(
    service: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a card and a declaration the licence is unknown; --allow-licence or licence = lets it pass."""
    del hub.files["README.md"]

    assert lock(service) == 1
    assert "'unknown' is not on the allow-list" in capsys.readouterr().err
    assert lock(service, "--allow-licence", "unknown") == 0
    declare(service, hub.source, 'licence = "Apache-2.0"')
    assert lock(service) == 0


def test_licence_declared_anew_makes_the_lock_stale(
    service: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever changes a declared licence locks again, so that the image tells the new one."""
    lock(service)
    declare(service, hub.source, 'licence = "Apache-2.0"')

    assert lock(service, "--check") == 1
    assert "licence mit, expected apache-2.0" in capsys.readouterr().err


def test_pickle_is_refused_by_name_before_any_request(
    service: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """pytorch_model.bin is refused, with the file to declare instead."""
    service.write_text(service.read_text().replace("model.safetensors", "pytorch_model.bin"))

    assert lock(service) == 1
    assert "Declare model.safetensors" in capsys.readouterr().err
    assert hub.requests == []


def test_usual_files_are_taken_when_none_are_declared(service: Path, hub: HubServer) -> None:
    """Without a list, weights, tokenizer and configuration are required, the rest taken where present."""
    hub.files |= {"tokenizer.json": b"{}", "modules.json": b"[]"}
    service.write_text(service.read_text().replace('files = ["config.json", "model.safetensors"]', ""))

    assert lock(service) == 0
    text = (service.parent / "models.lock").read_text()
    assert [name in text for name in ("tokenizer.json", "modules.json", "1_Pooling")] == [True, True, False]
