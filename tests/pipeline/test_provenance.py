"""Provenance: what an image was made of is written, a secret never is."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest

from pipeline.publish.provenance import BuildFacts, provenance

WHEEL = "ab" * 32
SBOM = {
    "components": [
        {
            "type": "library",
            "name": "alpha",
            "version": "1.0",
            "purl": "pkg:pypi/alpha@1.0",
            "hashes": [{"alg": "SHA-256", "content": WHEEL}],
        },
        {
            "type": "container",
            "name": "python",
            "version": "sha256:" + "cd" * 32,
            "purl": "pkg:oci/python@sha256%3Acd?repository_url=docker.io",
        },
        {
            "type": "machine-learning-model",
            "name": "mini",
            "version": "0" * 40,
            "purl": "pkg:huggingface/org/mini@0",
            "properties": [{"name": "wheelhouse:original:model.safetensors", "value": "sha256:" + "ef" * 32}],
        },
        {"type": "library", "name": "libc6", "version": "2.41", "purl": "pkg:deb/debian/libc6@2.41"},
    ]
}
FACTS = BuildFacts(
    name="ghcr.io/me/app",
    digest="sha256:" + "12" * 32,
    sbom=json.dumps(SBOM),
    lock="alpha==1.0\n",
    commit="34" * 20,
    dirty=False,
    source="https://example.org/me/app",
    engine="embedded 0.1.0",
    arguments={"variant": "cpu"},
    findings="{}",
    checked_at="2026-11-21T12:00:00+00:00",
)
SECRETS = ("hunter2", "s3cr3t", "ghp_x")


def test_the_statement_is_about_the_digest():
    """The subject is the manifest's digest, the predicate SLSA provenance v1."""
    statement = json.loads(provenance(FACTS))

    assert statement["subject"] == [{"name": "ghcr.io/me/app", "digest": {"sha256": "12" * 32}}]
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"


def test_everything_that_went_in_is_named_by_hash():
    """Commit, lock, base image, wheel, model and its original files are resolved dependencies."""
    definition = json.loads(provenance(FACTS))["predicate"]["buildDefinition"]

    commit, lock, wheel, base, model, file = definition["resolvedDependencies"]
    assert commit == {"uri": "git+https://example.org/me/app", "digest": {"gitCommit": "34" * 20}}
    assert lock == {"name": "lock", "digest": {"sha256": sha256(b"alpha==1.0\n").hexdigest()}}
    assert wheel == {"uri": "pkg:pypi/alpha@1.0", "digest": {"sha256": WHEEL}}
    assert base == {"uri": "pkg:oci/python?repository_url=docker.io", "digest": {"sha256": "cd" * 32}}
    assert model == {"uri": "pkg:huggingface/org/mini@0", "name": "mini"}
    assert file == {"name": "mini/model.safetensors", "digest": {"sha256": "ef" * 32}}


def test_nothing_is_said_twice():
    """A publish sends the statement anew: engine, hashes of parts and places of models are there once."""
    text = provenance(FACTS)

    assert [text.count(word) for word in ("embedded 0.1.0", "huggingface", "cd" * 32)] == [1, 1, 1]
    assert text == json.dumps(json.loads(text), separators=(",", ":"))


def test_the_scan_and_the_list_are_named_by_hash():
    """The software list and the scan's findings are byproducts with their sha256; the scan has its time."""
    run = json.loads(provenance(FACTS))["predicate"]["runDetails"]

    bill, found = run["byproducts"]
    assert bill == {"name": "sbom.cdx.json", "digest": {"sha256": sha256(FACTS.sbom.encode()).hexdigest()}}
    assert found == {
        "name": "findings.json",
        "digest": {"sha256": sha256(b"{}").hexdigest()},
        "annotations": {"checked_at": "2026-11-21T12:00:00+00:00"},
    }


def test_an_image_that_was_not_scanned_names_no_findings():
    """Without a scan no digest of one is claimed."""
    run = json.loads(provenance(replace(FACTS, findings="")))["predicate"]["runDetails"]

    assert [one["name"] for one in run["byproducts"]] == ["sbom.cdx.json"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"hf_token": "hunter2"},
        {"index_auth": "hunter2"},
        {"registry-password": "hunter2"},
        {"signing_key": "s3cr3t"},
        {"index_url": "https://me:hunter2@example.org/simple"},
        {"hf_endpoint": "https://ghp_x@example.org"},
    ],
)
def test_no_secret_and_no_hash_of_one_is_written(arguments):
    """Arguments named like secrets are left out, and URLs lose their user and password."""
    assert not any(secret in provenance(replace(FACTS, arguments=arguments)) for secret in SECRETS)


def test_engine_and_module_are_named_with_their_versions():
    """Who built is said with what it was built by."""
    run = json.loads(provenance(replace(FACTS, module="0.1.0")))["predicate"]["runDetails"]

    assert run["builder"]["version"] == {"engine": "embedded 0.1.0", "wheelhouse": "0.1.0"}


def test_arguments_are_external_parameters_and_empty_ones_are_none():
    """What the caller passed is said as it was passed; what was left at its default is not."""
    facts = replace(FACTS, arguments={"variant": "cpu", "index-url": "", "latest": "true"})
    definition = json.loads(provenance(facts))["predicate"]["buildDefinition"]

    assert definition["externalParameters"] == {"variant": "cpu", "latest": "true"}


def test_credentials_of_the_repository_are_not_written():
    """A remote with a token in its URL is written without it."""
    text = provenance(replace(FACTS, source="https://x-access-token:ghp_x@example.org/me/app"))

    assert "ghp_x" not in text
    assert "git+https://example.org/me/app" in text


def test_a_dirty_tree_is_said():
    """The statement says when the tree differed from the commit."""
    definition = json.loads(provenance(replace(FACTS, dirty=True)))["predicate"]["buildDefinition"]

    assert definition["internalParameters"]["dirty"] is True


def test_the_same_facts_give_the_same_bytes():
    """Nothing of the clock is in the statement, and the order of arguments does not matter."""
    first = provenance(replace(FACTS, arguments={"a": "1", "b": "2"}))

    assert first == provenance(replace(FACTS, arguments={"b": "2", "a": "1"}))
