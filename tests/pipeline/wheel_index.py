"""A package index on loopback (PEP 503) whose packages are made here, some of them broken."""

import hashlib
import http.server
import io
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path


def add_wheel(
    index: Path,
    name: str,
    version: str = "1.0",
    tag: str = "py3-none-any",
    package: Mapping[str, str | bytes] | None = None,
) -> None:
    """Put a wheel of one package with these files on the index."""
    inside = {"__init__.py": "", **(package or {})}
    files = {f"{name}/{member}": contents for member, contents in inside.items()}
    info = f"{name}-{version}.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
    files[f"{info}/RECORD"] = "".join(f"{member},,\n" for member in [*files, f"{info}/RECORD"])
    path = _folder(index, name) / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, contents in files.items():
            archive.writestr(member, contents)


def add_source(index: Path, name: str, files: Mapping[str, str], version: str = "1.0") -> None:
    """Put a source distribution with these files on the index."""
    root = f"{name}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with tarfile.open(_folder(index, name) / f"{root}.tar.gz", "w:gz") as archive:
        for member, text in {"PKG-INFO": metadata, **files}.items():
            entry = tarfile.TarInfo(f"{root}/{member}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


def pin(index: Path, name: str) -> str:
    """Return the line of a lock for a package of the index, with the hash of each of its files."""
    paths = sorted(path for path in (index / name).iterdir() if path.name != "index.html")
    version = paths[0].name.removesuffix(".tar.gz").split("-")[1]
    hashes = (hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    return f"{name}=={version} " + " ".join(f"--hash=sha256:{digest}" for digest in hashes) + "\n"


def shared_object(folder: Path, soname: str) -> bytes:
    """Return a library that needs another by this soname, which is left behind; compiled here."""
    stub, library = folder / soname, folder / "library.so"
    compiler = ["gcc", "-shared", "-x", "c", "/dev/null", "-x", "none"]
    subprocess.run([*compiler, f"-Wl,-soname,{soname}", "-o", str(stub)], check=True)
    subprocess.run([*compiler, "-Wl,--no-as-needed", str(stub), "-o", str(library)], check=True)
    return library.read_bytes()


@contextmanager
def serving(index: Path) -> Iterator[str]:
    """Serve a folder as an index; give its address."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(index)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _folder(index: Path, name: str) -> Path:
    folder = index / name
    folder.mkdir(exist_ok=True)
    return folder
