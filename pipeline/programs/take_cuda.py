"""Take the CUDA libraries that an environment needs out of the root file system of an nvidia/cuda image.

    take_cuda.py --root DIR --site DIR --out DIR --at PATH [--strict]

Writes a layer, OUT/layer/PATH/lib with each library under its soname and the image's licence next to it,
and OUT/missing.txt with the sonames that the image lacks; with --strict a missing one is an error that
names who needs it.
Static libraries, headers and compilers are never taken.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

from elf import Elf, elf_files, read_elf
from tree_times import fix_times

CUDA = re.compile(
    r"lib(cublas|cublasLt|cudart|cudnn\w*|cufft|cufftw|cufile|cupti|curand|cusolver|cusolverMg|cusparse"
    r"|cusparseLt|nccl|nvJitLink|nvrtc|nvToolsExt|nvshmem\w*)\.so"
)
"""Libraries of CUDA; others that an environment needs come with the operating system."""
PLACES = ("usr/local/cuda*/targets/*/lib", "usr/local/cuda*/lib64", "usr/lib/*-linux-gnu", "usr/lib64")
"""Where nvidia/cuda images and NVIDIA's Debian packages have libraries."""
LICENCE = "NGC-DL-CONTAINER-LICENSE"
DNN_PARTS = "libcudnn_*.so.*"
"""What libcudnn opens by name when it needs them; no ELF file says so."""


def main() -> int:
    """Return 1 when a library is missing and --strict is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--at", required=True, help="where the libraries will be, without the first slash")
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    taken, missing = closure(options.root, list(elf_files(options.site)))
    library = options.out / "layer" / options.at / "lib"
    library.mkdir(parents=True)
    for soname, path in sorted(taken.items()):
        shutil.copyfile(path, library / soname)
    if taken and (options.root / LICENCE).is_file():
        shutil.copyfile(options.root / LICENCE, library.with_name(LICENCE))
    fix_times(options.out / "layer")
    (options.out / "missing.txt").write_text("".join(f"{soname}\n" for soname in sorted(missing)))
    if missing and options.strict:
        for soname, user in sorted(missing.items()):
            print(f"{user} needs {soname}, which the CUDA image lacks; {ADVICE}", file=sys.stderr)
        return 1
    return 0


ADVICE = "expected one of the CUDA version that the wheels are built for. Name another --cuda-base."


def closure(root: Path, users: list[Elf]) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the CUDA libraries that these files need, and those in turn: found, and missing -> its user."""
    folders = [folder for place in PLACES for folder in sorted(root.glob(place)) if folder.is_dir()]
    taken: dict[str, Path] = {}
    missing: dict[str, str] = {}
    queue = list(users)
    while queue:
        user = queue.pop()
        for soname in filter(CUDA.match, user.needed):
            if soname in taken or soname in missing:
                continue
            path = next((folder / soname for folder in folders if (folder / soname).exists()), None)
            if path is None:
                missing[soname] = user.path.name
                continue
            parts = sorted(path.parent.glob(DNN_PARTS)) if soname.startswith("libcudnn.") else []
            for library in (path, *parts):
                taken[library.name] = library.resolve()
                queue += [found for found in [read_elf(library.resolve())] if found]
    return taken, missing


if __name__ == "__main__":
    sys.exit(main())
