"""Models are those of the lock, hold no code, and come under licences that the service allows."""

import json
import tarfile
from hashlib import sha256

import pytest

pytestmark = pytest.mark.integration

PICKLE = b"\x80\x04\x95"
COMMIT = "c0ffee" * 6 + "beef"
HUB = "models/models--me--mini"


@pytest.fixture
def hub(small):
    """Give an image whose model lies in the hub's own cache layout."""
    weights = b"weights of the model"
    blob = sha256(weights).hexdigest()
    small.layers = [[one for one in layer if not one[0].name.startswith("models/")] for layer in small.layers]
    small.add(f"{HUB}/blobs/{blob}", weights)
    small.add(f"{HUB}/refs/main", COMMIT)
    link = f"../../blobs/{blob}"
    small.add(f"{HUB}/snapshots/{COMMIT}/w.safetensors", b"", type=tarfile.SYMTYPE, linkname=link)
    lock = f'[models.mini]\nrevision = "{COMMIT}"\nlicence = "mit"\nsources = ["hf://me/mini@{COMMIT}"]\n'
    lock += f'[[models.mini.files]]\npath = "w.safetensors"\nsha256 = "{blob}"\n'
    (small.folder / "models.lock").write_text(lock)
    return small


def test_a_changed_model_is_named(small):
    """A model file has the sha256 that the export recorded."""
    small.add("models/mini/model.onnx", b"oNnx")

    assert small.broken() == ["models match models.lock"]


def test_a_renamed_pickle_is_found_by_content(small):
    """A name does not make a pickle harmless."""
    small.add("models/mini/config.json", PICKLE)

    assert "no pickle among the models" in small.broken()


def test_a_licence_off_the_list_is_named(small):
    """A service decides which licences it ships."""
    small.facts["licences"] = ["Apache-2.0"]

    assert small.broken() == ["licences allowed"]


@pytest.mark.parametrize(
    ("expression", "fails"),
    [
        ("GPL-3.0-only OR (MIT AND Apache-2.0)", False),
        ("MIT AND GPL-3.0-only", True),
        ("Apache License 2.0", False),
        ("MIT WITH Classpath-exception-2.0", False),
        ("MIT AND", True),
        ("", True),
    ],
)
def test_an_expression_of_licences_is_met_or_not(small, expression, fails):
    """Alternatives, conjunctions, exceptions and names of old are judged; nonsense counts as refused."""
    small.facts["licences"] = ["MIT", "Apache-2.0"]
    record = json.dumps({"revision": "r", "licence": expression, "files": []})
    small.add("models/mini/provenance.json", record)

    assert ("licences allowed" in small.broken()) == fails


def test_a_hub_cache_is_held_against_the_lock(hub):
    """The layout that torch services read keeps the promises about files and licence, too."""
    verdicts = hub.verdicts()

    assert verdicts["models match models.lock"]["status"] == "passed"
    assert verdicts["licences allowed"]["status"] == "passed"


def test_the_licence_of_a_hub_cache_is_judged(hub):
    """Without a record beside the model the licence in the lock counts."""
    hub.facts["licences"] = ["Apache-2.0"]

    assert "model mini: mit" in hub.verdicts()["licences allowed"]["found"]


def test_a_changed_blob_or_one_beside_is_named(hub):
    """Another file of the same name, and one that no lock has, break the promise."""
    hub.add(f"{HUB}/blobs/extra", b"beside")
    hub.layer()
    hub.add(f"{HUB}/refs/main", "another")

    found = hub.verdicts()["models match models.lock"]

    assert found["status"] == "failed"
    assert "blobs/extra is in no lock" in found["found"]
    assert "refs/main names another" in found["found"]
