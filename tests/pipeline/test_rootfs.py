"""What an environment stands on: with the whole base, the base as it is and one layer of what was added."""

import json
from pathlib import Path

import pytest

from tests.pipeline.sessions import run_session

pytestmark = [pytest.mark.engine, pytest.mark.integration]

WHOLE = """
    from pipeline.containers import Builder
    from pipeline.config import VariantConfig
    from pipeline.build.rootfs import base_image
    from pipeline.variants import Base
    declared = VariantConfig(os_packages=("hello",))
    async def made(fresh):
        builder = Builder(image=BASE, fresh=fresh)
        image = await base_image(builder, dag.directory(), declared, Base.SLIM)
        return builder.base().rootfs().diff(image.rootfs())
    first, second = await made(str(FOLDER)), await made(str(FOLDER) + "again")
    listing = "find . ! -type d -printf '%p %m %U %T@\\\\n' -exec sha256sum {} + | sort"
    async def listed(tree):
        image = dag.container().from_(BASE).with_mounted_directory("/in", tree).with_workdir("/in")
        return await image.with_exec(["sh", "-c", listing]).stdout()
    print(json.dumps([await listed(first), await listed(second)]))
"""


def test_two_machines_add_the_same_layer_to_a_whole_base(tmp_path: Path) -> None:
    """Installed anew, packages are the same files with the same times; apt's caches and logs stay away."""
    done = run_session(tmp_path, WHOLE)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = json.loads(done.stdout)

    assert first == second
    assert "./usr/bin/hello" in first
    assert "./usr/bin/tini" in first
    for left in ("/var/cache", "/var/log", "/var/lib/apt", "-old", "/etc/apt", "/tmp"):
        assert left not in first
