"""Start page of the reference service in a browser, with the packages of its own lock."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("chromium"), reason="no browser here: install Debian's chromium"),
]

APP = Path(__file__).parents[2] / "app"


def test_the_page_passes_its_tests_in_a_browser(tmp_path):
    """The image has no browser, so the service's own tests of its page run here."""
    install = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--target",
        str(tmp_path / "packages"),
    ]
    locks = [word for name in ("api", "test") for word in ("-r", f"requirements/{name}.txt")]
    trusting = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    subprocess.run([*install, "--no-deps", *locks], cwd=APP, env=trusting, check=True)

    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_browser.py"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "packages"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(run, cwd=APP, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
