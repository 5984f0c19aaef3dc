"""The lines of the README do what they say, on either engine."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from engines import wheelhouse

ROOT = Path(__file__).parents[2]
LINES = re.findall(r"^    (dagger call [^\n#]*)", (ROOT / "README.md").read_text(), re.MULTILINE)
PARSED = ("publish", "--variant=gpu", "test ", " init ", " ci ")
"""Lines that are only parsed, in tests/test_workflows.py: these functions have tests of their own."""
pytestmark = [pytest.mark.engine, pytest.mark.slow]


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line as it is pasted, with the chosen engine, output below a folder."""
    words = [word.replace("out/", f"{folder}/out/") for word in line.split()[1:]]
    at = ROOT
    if "-m" in words:  # a service of somebody else, whose folder is the working folder
        words[words.index("-m") + 1] = str(ROOT)
        at = shutil.copytree(ROOT / "app", folder / "app")
    command = wheelhouse("-s", *words)
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=at)


@pytest.mark.parametrize("line", [line for line in LINES if not any(word in line for word in PARSED)])
def test_a_line_of_the_readme_works(line, tmp_path):
    """It ends with 0 and prints something, or leaves the file that it names."""
    ran = run(line.strip(), tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout or (tmp_path / "out").exists() or (tmp_path / "app").exists()


def test_there_are_lines_to_run():
    """The lines are found, so that the test above cannot pass by running none."""
    assert len(LINES) >= 6
