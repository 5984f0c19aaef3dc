"""A secret's value is nowhere in what the engine writes."""

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wheelhouse_engine.store import Store

pytestmark = pytest.mark.engine

BODY = """
value = sys.stdin.readline().strip()
c = dag.container().from_(BASE).with_env_variable("N", sys.argv[1])
c = c.with_secret_variable("TOKEN", dag.set_secret("canary", value))
c = c.with_mounted_secret("/run/canary", dag.secret("env://CANARY"))
c = c.with_exec(["sh", "-c", "echo $TOKEN; cat /run/canary >&2; test -s /run/canary"])
print(await c.stdout(), await c.stderr())
try:
    await c.with_exec(["sh", "-c", "echo $TOKEN; cat /run/canary >&2; exit 3"]).sync()
except dagger.ExecError as error:
    print(error, error.stdout, error.stderr)
await c.export(sys.argv[2], forced_compression=dagger.ImageLayerCompression.Uncompressed)
"""


def written_since(root: Path, began: float) -> Iterator[Path]:
    """Yield the regular files below a folder whose content or name is newer than a moment."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue  # another session's
            if path.is_file() and not path.is_symlink() and found.st_ctime >= began:
                yield path


def test_secret_is_in_no_byte_that_was_written(
    program: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Neither store, image archive, progress, outputs nor errors hold the value of a secret."""
    canary, began = f"canary-{secrets.token_hex(16)}", time.time() - 1
    archive = tmp_path / "image.tar"
    with (tmp_path / "canary").open("w+") as given:
        given.write(f"{canary}\n")
        given.seek(0)
        started = program(
            BODY.replace("sys.stdin.readline()", f"open({given.name!r}).readline()"),
            secrets.token_hex(8),
            str(archive),
            CANARY=f"{canary}-mounted",
        )
        stdout, stderr = started.communicate(timeout=400)
    assert started.returncode == 0, stderr
    assert stdout.count("***") >= 4
    assert canary not in stdout + stderr

    written = [archive, *written_since(Store.open(os.environ).root, began)]
    assert len(written) > 5
    assert [path for path in written if path.exists() and canary.encode() in path.read_bytes()] == []
