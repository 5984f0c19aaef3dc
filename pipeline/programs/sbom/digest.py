"""Print what a software list must say to be of this image: `python3 -m sbom.digest ROOT`."""

import sys
from pathlib import Path

from sbom.tree import Tree

if __name__ == "__main__":
    print(Tree(Path(sys.argv[1])).digest, end="")
