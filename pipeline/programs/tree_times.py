"""Set every time in a tree to one fixed moment, so that equal contents give equal layers.

`python3 tree_times.py IN OUT` copies a tree with owners, modes and links, and fixes the times of the copy.
"""

import os
import subprocess
import sys
from pathlib import Path

EPOCH = 315532800
"""1980-01-01, the oldest time that a zip file can hold, in seconds since 1970."""


def fix_times(root: Path) -> None:
    """Set the times of a folder and of everything in it; links themselves are set, never followed.

    Folders come after what they contain, because writing into a folder changes its time.
    """
    for folder, folders, files in os.walk(root, topdown=False):
        for name in (*files, *folders):
            os.utime(Path(folder, name), (EPOCH, EPOCH), follow_symlinks=False)
    os.utime(root, (EPOCH, EPOCH))


if __name__ == "__main__":
    subprocess.run(["cp", "--archive", "--no-target-directory", *sys.argv[1:3]], check=True)
    fix_times(Path(sys.argv[2]))
