"""An interpreter with the packages that a builder installs for the model programs."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAMS = ROOT / "pipeline" / "programs"


@dataclass(frozen=True, slots=True)
class Programs:
    """An interpreter that has the packages of both requirement files."""

    python: Path

    def run(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `python arguments…` and return what it printed."""
        return subprocess.run(
            [str(self.python), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env=program_environment(**environment),
        )


def program_environment(**changes: str) -> dict[str, str]:
    """Return the environment of a builder: the programs, and no hub but the one a test names."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    fixed = {"PYTHONPATH": str(PROGRAMS), "PYTHONDONTWRITEBYTECODE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}
    return {**kept, **fixed, **changes}
