"""The signing room on the embedded engine: a key goes in, a bundle comes out, the key stays unseen."""

import subprocess
from pathlib import Path

import pytest

from tests.pipeline.sessions import run_session

pytestmark = pytest.mark.engine
SIGN = """
    from pipeline.containers import Builder
    from pipeline.publish.signing import Document, referrers, signed
    statement = json.dumps({"predicateType": "https://slsa.dev/provenance/v1"})
    key = dag.set_secret("signing-key", (FOLDER / "key.pem").read_text())
    bundles = signed(Builder(image=BASE), {"provenance": statement}, key, str(FOLDER))
    lists = [Document(name=name, text="{}", media_type="application/json") for name in ("a.json", "b.json")]
    tree = await referrers(lists, bundles)
    print(await tree.file("referrers.json").contents())
"""


def test_lists_and_bundles_are_laid_out_for_the_registry(tmp_path: Path):
    """The referrers folder names every document and the signed bundle, and no part of the key is shown."""
    make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run([*make, "-out", str(tmp_path / "key.pem")], check=True, capture_output=True)
    done = run_session(tmp_path, SIGN)
    body = (tmp_path / "key.pem").read_text().splitlines()[1]

    assert all(name in done.stdout for name in ("a.json", "b.json", "provenance.sigstore.json"))
    assert body not in done.stdout + done.stderr


def test_a_key_that_is_none_fails_without_being_shown(tmp_path: Path):
    """A secret that is no key stops the signing, and its text is in no message."""
    (tmp_path / "key.pem").write_text("correct-horse-battery")
    done = run_session(tmp_path, SIGN)

    assert done.returncode != 0
    assert "expected an unencrypted PEM private key" in done.stderr
    assert "correct-horse-battery" not in done.stdout + done.stderr
