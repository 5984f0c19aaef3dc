"""What an image contains besides packages: models, the interpreter, the service, files of the pipeline."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from sbom.cards import model_card
from sbom.errors import FactsError
from sbom.facts import Component, FileHash
from sbom.tree import APP, Tree

MODELS: Final = "/models/"
HUB: Final = re.compile(r"hf://([^@]+)@([0-9a-f]{40})")
INTERPRETER: Final = re.compile(
    r"^/usr/local/(bin/(python|pydoc|idle|2to3)|lib/(libpython|python3)|include/py)"
)
"""Where the official images keep a Python that they built from source, which no package owns."""
WRITTEN: Final = re.compile(
    r"^/etc/(passwd|group|shadow|gshadow|subuid|subgid|hosts|hostname|resolv\.conf|nsswitch\.conf|localtime)-?$"
    r"|^/etc/(ld\.so\.(conf|cache|conf\.d/.*)|mtab|os-release)$|^/etc/ssl/certs/"
    r"|^/usr/lib/ssl/(cert\.pem|certs)$|^/opt/venv/(pyvenv\.cfg|bin/python[\d.]*|lib64)$"
    r"|^/(bin|lib|lib32|lib64|libx32|sbin)$|^/root/\.|^/var/(cache|log)/"
    r"|^/var/lib/(apt|dpkg|pam|shells\.state|systemd)"
)
"""What the pipeline or the base's installer writes: accounts, links, caches, certificates, records."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A component with the paths that are its own: those that a pattern matches."""

    component: Component
    pattern: re.Pattern[str]


def model_components(tree: Tree) -> list[Owned]:
    """Return each folder below /models as a machine-learning-model with every file's hashes.

    Raises:
        FactsError: a model's provenance.json or config.json is not a JSON object.

    """
    names = sorted({path.split("/")[2] for path in tree.paths if path.startswith(MODELS)})
    return [Owned(_model(tree, name), re.compile(re.escape(f"{MODELS}{name}") + "(/|$)")) for name in names]


def interpreter(tree: Tree) -> Owned | None:
    """Return the Python that was built from source, None where a package owns the interpreter."""
    if not any(INTERPRETER.match(path) for path, link in tree.paths.items() if not link):
        return None
    match = re.search(r"^version = (\S+)$", tree.text("/opt/venv/pyvenv.cfg"), re.MULTILINE)
    version = match[1] if match else "unknown"
    component = Component(
        kind="platform",
        name="cpython",
        version=version,
        purl=f"pkg:generic/python@{version}",
        licences=("Python-2.0.1",),
    )
    return Owned(component, INTERPRETER)


def written_files() -> Owned:
    """Return the files that no package has because the image is where they are made."""
    component = Component(kind="data", name="image-configuration", version="1")
    return Owned(component, WRITTEN)


def service(labels: dict[str, str], needs: tuple[str, ...]) -> Owned:
    """Return the service itself: what /srv/app holds, named by the image's labels."""
    prefix = "org.opencontainers.image."
    name, version = labels.get(f"{prefix}title", "service"), labels.get(f"{prefix}version", "0")
    licence = labels.get(f"{prefix}licenses", "")
    component = Component(
        kind="application",
        name=name,
        version=version,
        purl=f"pkg:generic/{quote(name)}@{quote(version)}",
        licences=(licence,) if licence else (),
        properties=tuple(
            sorted((key, value) for key, value in labels.items() if key.startswith("io.wheelhouse"))
        ),
        needs=needs,
    )
    return Owned(component, re.compile(re.escape(APP)))


def base_image(reference: str) -> Component | None:
    """Return the base image `name[:tag]@sha256:…` as a container component; None for ""."""
    if not reference:
        return None
    name, _, digest = reference.partition("@")
    repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "")
    short = repository.rpartition("/")[2]
    version = digest or tag or "unknown"
    purl = (
        f"pkg:oci/{short}@{quote(digest, safe='')}?repository_url={quote(repository, safe='')}"
        if digest
        else ""
    )
    known = (("wheelhouse:base", "true"), ("wheelhouse:tag", tag))
    return Component(kind="container", name=repository, version=version, purl=purl, properties=known)


def _model(tree: Tree, name: str) -> Component:
    folder = f"{MODELS}{name}/"
    files = tuple(
        _hashed(tree, path) for path, link in tree.paths.items() if path.startswith(folder) and not link
    )
    facts = _object(tree, f"{folder}provenance.json")
    revision = str(facts.get("revision", "unknown"))
    hub = next((match for one in facts.get("sources", []) if (match := HUB.match(str(one)))), None)
    originals = (
        (f"wheelhouse:original:{one['path']}", f"sha256:{one['sha256']}") for one in facts.get("files", [])
    )
    places = tuple(str(one) for one in facts.get("sources", []))
    sources = (("wheelhouse:source", one) for one in places)
    configs = sorted(
        (path for path in tree.paths if path.startswith(folder) and path.endswith("/config.json")), key=len
    )
    config = _object(tree, configs[0]) if configs else {}
    return Component(
        kind="machine-learning-model",
        name=name,
        version=revision,
        purl=f"pkg:huggingface/{hub[1]}@{hub[2]}" if hub else f"pkg:generic/{quote(name)}@{quote(revision)}",
        licences=(str(facts["licence"]),) if facts.get("licence") else (),
        files=files,
        properties=(*sources, *originals),
        card=model_card(name, hub[1].partition("/")[0] if hub else "", places, config),
    )


def _object(tree: Tree, path: str) -> dict[str, Any]:
    try:
        facts = json.loads(tree.text(path) or "{}")
    except ValueError as error:
        raise FactsError(
            f"{path}: {error}; expected what models.fetch wrote. Fetch the model again."
        ) from error
    if not isinstance(facts, dict):
        raise FactsError(
            f"{path} holds no JSON object; expected what models.fetch wrote. Fetch the model again."
        )
    return facts


def _hashed(tree: Tree, path: str) -> FileHash:
    content = tree.at(path)
    # SPDX 2.3 asks for SHA-1 of every listed file; nothing relies on it.
    with content.open("rb") as file:
        weak = hashlib.file_digest(file, partial(hashlib.sha1, usedforsecurity=False)).hexdigest()
    return FileHash(path, tree.sha256(path), weak, content.stat().st_size)
