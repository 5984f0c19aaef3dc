"""Software lists: complete, valid, the same bytes every time, and refused where facts are absent."""

import hashlib
import json
import shutil
from typing import Any

import pytest

from tests.programs.sbom.conftest import COMMIT, CRATE, SITE
from tests.programs.sbom.validators import complaint

pytestmark = pytest.mark.integration


def by_name(bill: Any) -> dict[str, Any]:
    """Return the components by name."""
    return {one["name"]: one for one in bill["components"]}


def unowned(bill: Any) -> list[str]:
    """Return the paths that no component owns."""
    return [one["value"] for one in bill["metadata"]["properties"] if one["name"] == "wheelhouse:unowned"]


def test_every_kind_of_component_is_listed(image):
    """Debian packages, wheels, the model, the base image and the system are components."""
    purls = {one.get("purl", one["name"]) for one in image.listed()["components"]}

    assert purls >= {
        "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13",
        "pkg:deb/debian/zlib1g@1%3A1.3.1-1?arch=amd64&distro=debian-13",
        "pkg:pypi/alpha@1.0",
        "pkg:pypi/beta@2.0%2Bcpu",
        f"pkg:huggingface/org/mini@{COMMIT}",
        "debian",
    }


def test_a_wheel_carries_the_hash_of_its_file_and_what_it_holds(image):
    """A wheel names the sha256 that the lock has, its licence, and the crates linked into it."""
    bill = by_name(image.listed())
    lock = (image.folder / "lock.txt").read_text()

    assert bill["alpha"]["hashes"][0]["content"] in lock
    assert bill["alpha"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert [one["purl"] for one in bill["beta"]["components"]] == [CRATE]


def test_a_model_carries_revision_licence_and_every_files_hash(image):
    """A model is a machine-learning-model with its commit, its licence and one sha256 per file."""
    model = by_name(image.listed())["mini"]

    assert (model["type"], model["version"]) == ("machine-learning-model", COMMIT)
    assert model["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert {one["name"]: len(one["hashes"][0]["content"]) for one in model["components"]} == {
        "/models/mini/config.json": 64,
        "/models/mini/model.onnx": 64,
        "/models/mini/provenance.json": 64,
    }


def test_a_model_has_the_minimum_elements_of_an_sbom_for_ai(image):
    """Of the 13 elements that the G7 lists for models, 11 are there; training is in no file of a model.

    Source: G7 Cybersecurity Working Group, "Software Bill of Materials for AI: Minimum Elements", published
    by BSI on 2026-05-12, cluster Models.
    """
    model = by_name(image.listed())["mini"]
    weights = model["components"][0]["hashes"][0]
    parameters = model["modelCard"]["modelParameters"]
    elements = {
        "name": model["name"],
        "identifier": model["purl"],
        "version": model["version"],
        "timestamp": model.get("releaseNotes", {}).get("timestamp"),
        "producer": model["manufacturer"]["name"],
        "description": model["description"],
        "hash value": weights["content"],
        "hash algorithm": weights["alg"],
        "properties": parameters["architectureFamily"],
        "input and output properties": [*parameters["inputs"], *parameters["outputs"]],
        "training properties": parameters.get("approach"),
        "license": model["licenses"],
        "external references": [one["url"] for one in model["externalReferences"]],
    }

    assert len(elements) == 13
    assert {name for name, value in elements.items() if not value} == {"timestamp", "training properties"}
    assert (elements["producer"], elements["properties"]) == ("org", "bert")
    assert elements["external references"] == [f"hf://org/mini@{COMMIT}"]
    assert elements["input and output properties"] == [
        {"format": "text, at most 256 tokens"},
        {"format": "vector of 384 numbers"},
    ]


def test_edges_lead_from_the_service_to_what_it_brings_in(image):
    """The service requires what it declares, a wheel what its metadata requires without extras."""
    edges = {one["ref"]: one.get("dependsOn", []) for one in image.listed()["dependencies"]}

    assert edges["pkg:generic/demo@1.2"] == [f"pkg:huggingface/org/mini@{COMMIT}", "pkg:pypi/alpha@1.0"]
    assert edges["pkg:pypi/alpha@1.0"] == ["pkg:pypi/beta@2.0%2Bcpu"]


def test_every_file_has_an_owner_or_is_named(image):
    """Links, bytecode without its source and accounts have owners; a stray file is listed."""
    shutil.move(image.root / SITE / "alpha/__init__.py", image.root / SITE / "alpha/__init__.pyc")
    image.write(f"{SITE}/beta/__pycache__/__init__.cpython-313.pyc")
    image.write("opt/stray")

    assert unowned(image.listed()) == ["/opt/stray"]


def test_an_interpreter_that_no_package_owns_is_a_component(image):
    """A Python built from source under /usr/local is listed with the version of the environment."""
    image.write("usr/local/bin/python3.13")
    image.write("usr/local/lib/python3.13/os.py")
    image.write("opt/venv/pyvenv.cfg", "version = 3.13.5\n")
    bill = image.listed()

    assert by_name(bill)["cpython"]["version"] == "3.13.5"
    assert unowned(bill) == []


def test_a_normal_debian_is_read_from_its_status_file(image):
    """An image with dpkg's own records lists the same packages as one with records of its own."""
    before = {one.get("purl") for one in image.listed()["components"]}
    records = image.root / "var/lib/dpkg/status.d"
    stanzas = [path.read_text() for path in sorted(records.iterdir()) if path.suffix != ".md5sums"]
    files = {path.stem: path.read_text() for path in records.glob("*.md5sums")}
    shutil.rmtree(records)
    image.write("var/lib/dpkg/status", "\n".join(stanzas))
    for name, sums in files.items():
        image.write(
            f"var/lib/dpkg/info/{name}.list", "".join(f"/{line.split()[1]}\n" for line in sums.splitlines())
        )
    bill = image.listed()

    assert before == {one.get("purl") for one in bill["components"]}
    assert unowned(bill) == []


@pytest.mark.parametrize("name", ["sbom.cdx.json", "sbom.spdx.json"])
def test_both_lists_are_valid(image, validator_python, name):
    """The lists pass the validators of CycloneDX 1.6 and SPDX 2.3."""
    image.listed()

    assert complaint(validator_python, image.folder / "out" / name) == ""


def test_the_validators_see_what_is_wrong(image, validator_python):
    """A list with a field that its format does not know is complained about."""
    image.listed()
    for name, field in (("sbom.cdx.json", "bomFormat"), ("sbom.spdx.json", "dataLicense")):
        path = image.folder / "out" / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {field: "nonsense"}))

        assert complaint(validator_python, path) != ""


def test_two_lists_of_one_image_are_the_same_bytes(image):
    """Nothing of the clock, the machine or the order of files is in a list."""
    image.run("first", SOURCE_DATE_EPOCH="1700000000", PYTHONHASHSEED="1")
    image.run("second", SOURCE_DATE_EPOCH="1700000000", PYTHONHASHSEED="2", TZ="Asia/Tokyo")

    for name in ("sbom.cdx.json", "sbom.spdx.json"):
        first, second = ((image.folder / out / name).read_bytes() for out in ("first", "second"))
        assert first == second
    assert b"2023-11-14T22:13:20Z" in first


def test_another_image_has_another_serial_number(image):
    """A changed byte in a file that is not hashed singly changes serial number and digest."""
    before = image.listed()
    image.write("etc/passwd", "y")
    after = image.listed()

    assert before["serialNumber"] != after["serialNumber"]


def test_an_edit_of_the_service_changes_no_byte_of_the_lists(image):
    """A registry that has the lists need not be sent them again for a line of the service's own code."""
    image.run("first")
    image.write("srv/app/demo/main.py", "y")
    image.write("srv/app/demo/more.py", "z")
    image.run("second")

    for name in ("sbom.cdx.json", "sbom.spdx.json"):
        first, second = ((image.folder / out / name).read_bytes() for out in ("first", "second"))
        assert first == second


def test_a_wheel_swapped_after_the_lock_is_noticed(image):
    """A wheel file whose sha256 the lock does not have stops the list, and is named."""
    with (image.folder / "wheels/alpha-1.0-py3-none-any.whl").open("ab") as wheel:
        wheel.write(b"x")
    done = image.run()

    assert done.returncode == 2
    assert "alpha-1.0-py3-none-any.whl: sha256" in done.stderr


def test_a_wheel_compiled_from_a_locked_source_carries_its_own_hash(image):
    """A wheel that built.txt names has no hash in the lock; its own is recorded, and that it was compiled."""
    path = image.folder / "wheels/alpha-1.0-py3-none-any.whl"
    with path.open("ab") as wheel:
        wheel.write(b"x")
    path.with_name("built.txt").write_text(f"{path.name}\n")
    alpha = by_name(image.listed())["alpha"]

    assert alpha["hashes"][0]["content"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert {"name": "wheelhouse:compiled-here", "value": "true"} in alpha["properties"]


def test_an_image_without_dist_info_is_refused(image):
    """Modules without dist-info folders cannot be named: no list is better than an empty one."""
    for folder in (image.root / SITE).glob("*.dist-info"):
        shutil.rmtree(folder)
    done = image.run()

    assert (done.returncode, "no dist-info folder" in done.stderr) == (2, True)
    assert not (image.folder / "out").exists()


def test_an_image_without_package_records_is_refused(image):
    """A C library without package records cannot be named: no list is better than a short one."""
    shutil.rmtree(image.root / "var")
    done = image.run()

    assert (done.returncode, "neither /var/lib/dpkg/status nor" in done.stderr) == (2, True)


def test_a_list_inside_a_wheel_that_cannot_be_read_is_counted(image):
    """A wheel whose own list is junk stays listed and says so."""
    image.write(f"{SITE}/beta-2.0+cpu.dist-info/sboms/junk.json", "{")
    beta = by_name(image.listed())["beta"]

    assert {"name": "wheelhouse:unreadable-sboms", "value": "1"} in beta["properties"]


def test_a_distribution_of_the_base_is_told_from_the_services_own(image):
    """One that is in both places is listed once; one that only the base has names its folder."""
    base = "usr/lib/python3/dist-packages"
    image.write(f"{base}/alpha-1.0.dist-info/METADATA", "Name: alpha\nVersion: 1.0\n")
    image.write(f"{base}/pip-25.1.dist-info/METADATA", "Name: pip\nVersion: 25.1\n")
    bill = image.listed()
    names = [one["name"] for one in bill["components"]]

    assert names.count("alpha") == 1
    assert by_name(bill)["alpha"]["hashes"]
    assert by_name(bill)["pip"]["properties"] == [{"name": "wheelhouse:base-site", "value": f"/{base}"}]
