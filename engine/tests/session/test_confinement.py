"""An exec is confined as `buildah run` would confine it, though buildah is asked only once."""

from collections.abc import Sequence
from typing import Any

import dagger
import pytest
from dagger import dag

from wheelhouse_engine import confinement
from wheelhouse_engine.buildah import Buildah
from wheelhouse_engine.errors import StoreError
from wheelhouse_engine.runner import Completed, ProcessRunner, RecordingRunner
from wheelhouse_engine.session import Session

from .conftest import BASE

SHOW = """
grep -E '^(Cap|Seccomp|NoNewPrivs)' /proc/self/status
ulimit -n; ulimit -u
stat -c '%a %F %n' /dev /dev/shm /dev/pts /dev/mqueue /proc/kcore /proc/timer_list
touch /proc/sys/x /sys/x 2>&1
ls /dev
"""


@pytest.mark.engine
async def test_an_exec_may_do_what_buildah_lets_a_command_do(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Capabilities, system calls, limits, devices and what is masked are those of a RUN line."""
    monkeypatch.setenv("DAGGER_SESSION_PORT", str(session.port))
    monkeypatch.setenv("DAGGER_SESSION_TOKEN", session.token)
    context = dag.directory().with_new_file("show", SHOW)
    lines = f"FROM {BASE}\nCOPY show /show\nRUN sh /show > /shown || true\n"

    async with dagger.connection():
        theirs = await context.with_new_file("Dockerfile", lines).docker_build().file("/shown").contents()
        container = dag.container().from_(BASE).with_file("/show", context.file("show"))
        ours = await container.with_exec(["sh", "-c", "sh /show > /shown || true"]).file("/shown").contents()

    assert "CapEff" in theirs
    assert ours == theirs


@pytest.mark.engine
async def test_buildah_is_asked_once(session: Session) -> None:
    """What buildah said is kept for every later exec and session, until it may say something else."""
    buildah, store = session.engine.buildah, session.store
    said = await confinement.learn(buildah, store)
    silent = Buildah(RecordingRunner(), store.storage, store.runroot, "wheelhouse-1-1-0", buildah.tmpfs)

    assert await confinement.learn(silent, store) == said
    assert silent.runner.calls == []  # type: ignore[attr-defined]


@pytest.mark.engine
async def test_a_machine_on_which_buildah_makes_no_container_says_so(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What buildah complained of is in the error, and nothing is kept."""
    monkeypatch.setenv("LC_ALL", "C.asked-afresh")  # what buildah says may depend on its environment

    class Broken(ProcessRunner):
        async def run(self, argv: Sequence[str], **options: Any) -> Completed:
            failed = Completed(125, b"", b"Error: no user namespaces")
            return failed if "run" in argv else await super().run(argv, **options)

    buildah = session.engine.buildah
    broken = Buildah(Broken(), buildah.storage, buildah.runroot, buildah.session, buildah.tmpfs)
    for _ in range(2):
        with pytest.raises(StoreError, match="no user namespaces"):
            await confinement.learn(broken, session.store)
