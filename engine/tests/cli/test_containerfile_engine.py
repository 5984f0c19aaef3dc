"""A Containerfile that `plan` writes, built by plain buildah, gives the file tree that `call` gives."""

import os
import subprocess
from pathlib import Path

import pytest

from wheelhouse_engine.comparing import tree_digest
from wheelhouse_engine.store import Store

from .conftest import MODULES, PROGRAM

pytestmark = pytest.mark.engine

CHAIN = (
    *("shed", "with-exec", "--args=sh,-c,mkdir /made && echo one > /made/one && ln -s one /made/link"),
    *("with-new-file", "--path=/made/text", "--contents=a\n'b' $c\n", "--permissions=384", "--owner=7:8"),
    *("with-symlink", "--target=text", "--link-name=/made/other"),
    *("with-exec", "--args=sh,-c,wc -c < /made/text > /made/size; chmod 2755 /made"),
    *("without-file", "--path=/made/one"),
)


def wheelhouse(*words: str) -> str:
    """Run the program in the module's folder."""
    return subprocess.run(
        [*PROGRAM, "-s", *words], cwd=MODULES / "garden", check=True, capture_output=True, text=True
    ).stdout


def said(*words: str) -> str:
    """Run a command and return what it prints."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_plain_buildah_gives_the_same_tree(tmp_path: Path) -> None:
    """Modes, owners, links and contents are equal; the base is the image that the store has."""
    store = Store.open(os.environ)
    buildah = ["buildah", "--root", str(store.storage), "--runroot", str(store.runroot)]
    reference = wheelhouse("call", "shed", "rootfs", "exists", "--path=/")  # the base is there now
    assert reference == "true"
    index = (store.root / "bases" / "bases.json").read_text()
    text = wheelhouse("plan", "--containerfile", *CHAIN)
    base = text.partition("FROM ")[2].split()[0]
    image = index.partition(f"library/{base} ")[2].partition('"image_id": "')[2].partition('"')[0]
    file = tmp_path / "Containerfile"
    file.write_text(text.replace(f"FROM {base} AS", f"FROM {image} AS"))

    build = [*buildah, "build", "-q", "--pull-never", "--isolation=oci", "--runtime=runc", "--network=host"]
    built = subprocess.run(
        [*build, "-f", str(file), str(tmp_path)], check=True, capture_output=True, text=True
    ).stdout.strip()
    working = subprocess.run(
        [*buildah, "from", built], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        mounted = [*buildah, "mount", working]
        root = subprocess.run(mounted, check=True, capture_output=True, text=True).stdout.strip()
        theirs = tree_digest(Path(root, "made"))
    finally:
        subprocess.run([*buildah, "rm", working], check=True, capture_output=True)
        subprocess.run([*buildah, "rmi", built], check=False, capture_output=True)

    assert wheelhouse("call", *CHAIN, "directory", "--path=/made", "digest") == f"sha256:{theirs}"
