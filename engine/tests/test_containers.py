"""A container is one run of runc, and how it ended is never guessed."""

import json
from pathlib import Path

import pytest

from wheelhouse_engine.containers import Containers
from wheelhouse_engine.errors import StoreError
from wheelhouse_engine.execs import name_servers
from wheelhouse_engine.runner import Answer, Call, Completed, RecordingRunner


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Give the folder of a bundle."""
    folder = tmp_path / "wheelhouse-1"
    folder.mkdir()
    return folder


def containers(bundle: Path, answer: Answer) -> Containers:
    """Return containers whose runc answers like this."""
    return Containers(RecordingRunner({("runc",): answer}), bundle.parent / "runc", {})


async def test_status_of_a_process_is_its_own(bundle: Path) -> None:
    """A process that writes what runc would write is still a process that ended."""
    said = b"runc run failed: unable to start container process"
    ended = await containers(bundle, Completed(3, b"out", said)).run(bundle, stdin=b"")

    assert (ended.returncode, ended.stdout, ended.stderr, ended.failure) == (3, b"out", said, "")


async def test_a_process_that_never_began_has_no_status(bundle: Path) -> None:
    """What runc wrote to its own log is the failure; a warning is none."""

    def answer(call: Call) -> Completed:
        log = Path(call.argv[call.argv.index("--log") + 1])
        notes = [{"level": "warning", "msg": "odd"}, {"level": "error", "msg": "no such mount"}]
        log.write_text("\n".join(json.dumps(note) for note in notes))
        return Completed(1)

    assert (await containers(bundle, answer).run(bundle, stdin=b"")).failure == "no such mount"


async def test_a_killed_runc_leaves_no_container(bundle: Path) -> None:
    """The container that outlived its runc is ended, and the run has no status."""

    def answer(call: Call) -> Completed:
        (bundle.parent / "runc" / bundle.name).mkdir(parents=True, exist_ok=True)
        return Completed(-9 if "run" in call.argv else 0)

    made = containers(bundle, answer)
    ended = await made.run(bundle, stdin=b"")

    assert "ended by signal 9" in ended.failure
    assert made.runner.calls[-1].argv[3:] == ("delete", "--force", bundle.name)  # type: ignore[attr-defined]


async def test_a_machine_without_runc_is_told_what_to_do(bundle: Path) -> None:
    """No runc is one sentence that names the package."""

    def answer(_call: Call) -> Completed:
        raise FileNotFoundError

    with pytest.raises(StoreError, match="apt-get install runc"):
        await containers(bundle, answer).run(bundle, stdin=b"")


def test_a_container_apart_gets_resolvers_that_it_reaches(tmp_path: Path) -> None:
    """The resolver on the machine's loopback serves who shares the machine's network, and nobody else."""
    stub, behind = tmp_path / "stub", tmp_path / "behind"
    stub.write_text("nameserver 127.0.0.53\n")
    behind.write_text("nameserver 192.0.2.1\n")
    places = [str(stub), str(behind)]

    assert name_servers(apart=False, places=places) == b"nameserver 127.0.0.53\n"
    assert name_servers(apart=True, places=places) == b"nameserver 192.0.2.1\n"
    assert name_servers(apart=True, places=[str(tmp_path / "none")]) == b""
