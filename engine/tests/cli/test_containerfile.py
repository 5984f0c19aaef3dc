"""Recorded operations become a plan and a multi-stage Containerfile."""

from typing import Any

from wheelhouse_engine.cli.containerfile import containerfile
from wheelhouse_engine.cli.planning import listing
from wheelhouse_engine.graph import Op


def op(kind: str, name: str, parent: Op | None = None, /, **args: Any) -> Op:
    """Make an operation."""
    return Op.make(kind, name, parent, args)


ROOT = op("Container", "container")
BASE = op("Container", "from", ROOT, address="python:3.13-slim")


def test_the_listing_numbers_what_is_needed():
    """Each operation has a number and names the numbers of its inputs."""
    ran = op("Container", "withExec", BASE, args=["echo", "hi"])

    assert listing([ROOT, BASE, ran]).splitlines() == [
        "#1  Query.container",
        "#2  Container.from address=python:3.13-slim  <- #1",
        "#3  Container.withExec echo hi  <- #2",
    ]


def test_a_secret_stays_out_of_the_plan():
    """The plaintext of a secret is not printed."""
    secret = op("Secret", "setSecret", name="token", plaintext="s3cret")

    assert "s3cret" not in listing([secret]) + containerfile([secret])


def test_one_chain_is_one_stage():
    """Instructions follow their FROM."""
    ran = op("Container", "withExec", BASE, args=["echo", "a b"])
    env = op("Container", "withEnvVariable", ran, name="A", value="1")
    entry = op("Container", "withEntrypoint", env, args=["python"])

    assert containerfile([ROOT, BASE, ran, env, entry]) == (
        'FROM python:3.13-slim AS s1\nRUN ["echo", "a b"]\nENV A="1"\nENTRYPOINT ["python"]\n'
    )


def test_another_stages_files_are_copied_from_it():
    """A directory of one container that another takes becomes COPY --from."""
    built = op("Container", "withExec", BASE, args=["make"])
    wheels = op("Directory", "directory", built, path="/wheels")
    final = op("Container", "withDirectory", BASE, path="/w", source=wheels)
    text = containerfile([ROOT, BASE, built, wheels, final])

    assert 'FROM s1 AS s2\nRUN ["make"]' in text
    assert text.endswith("FROM s1 AS s3\nCOPY --from=s2 /wheels /w\n")


def test_every_stage_stands_behind_what_it_needs():
    """A stage that is continued after another was begun still comes last."""
    begun = op("Container", "withExec", BASE, args=["first"])
    made = op(
        "Directory", "withNewFile", op("Directory", "directory"), path="x", contents="x", permissions=420
    )
    final = op("Container", "withDirectory", begun, path="/d", source=made)
    text = containerfile([ROOT, BASE, begun, op("Directory", "directory"), made, final])

    assert text.splitlines()[-1] == "COPY --from=s2 / /d"
    assert text.index("FROM scratch AS s2") < text.index("FROM python:3.13-slim AS s1")


def test_mounts_and_secrets_are_run_options():
    """Cache volumes, bound directories and secrets go into the RUN that uses them, never into a layer."""
    volume = op("CacheVolume", "cacheVolume", key="pip")
    secret = op("Secret", "secret", uri="env://TOKEN")
    folder = op("Directory", "directory", op("Host", "host"), path="/src")
    cached = op("Container", "withMountedCache", BASE, path="/c", cache=volume)
    hidden = op("Container", "withSecretVariable", cached, name="T", secret=secret)
    bound = op("Container", "withMountedDirectory", hidden, path="/s", source=folder)
    ran = op("Container", "withExec", bound, args=["x"])

    text = containerfile([ROOT, BASE, volume, cached, secret, hidden, folder, bound, ran])

    assert text.splitlines()[-1] == (
        "RUN --mount=type=cache,target=/c,id=pip --mount=type=secret,id=TOKEN,env=T "
        '--mount=type=bind,target=/s,from=host1,source=/,rw ["x"]'
    )
    assert "# build context host1: /src" in text


def test_a_removed_mount_is_gone():
    """A mount that was taken away is in no later RUN."""
    volume = op("CacheVolume", "cacheVolume", key="pip")
    cached = op("Container", "withMountedCache", BASE, path="/c", cache=volume)
    without = op("Container", "withoutMount", cached, path="/c")
    ran = op("Container", "withExec", without, args=["x"])

    assert containerfile([ROOT, BASE, volume, cached, without, ran]).endswith('RUN ["x"]\n')


def test_a_healthcheck_keeps_its_times():
    """Interval, timeout, start period and retries become options."""
    args = {"args": ["true"], "interval": "10s", "timeout": "3s", "startPeriod": "30s", "retries": 3}
    checked = op("Container", "withDockerHealthcheck", BASE, **args)

    expected = 'HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["true"]\n'
    assert containerfile([ROOT, BASE, checked]).endswith(expected)


def test_an_empty_directory_is_copied_from_a_stage_without_files():
    """A folder that a container is given empty is there for what runs next."""
    empty = op("Directory", "directory")
    given = op("Container", "withDirectory", BASE, path="/out", source=empty)
    text = containerfile([ROOT, BASE, empty, given, op("Container", "withExec", given, args=["ls", "/out"])])

    assert text == (
        'FROM scratch AS empty\n\nFROM python:3.13-slim AS s1\nCOPY --from=empty / /out\nRUN ["ls", "/out"]\n'
    )


def test_a_directory_is_changed_in_a_container():
    """What no instruction does to a directory, programs of the image do, each from a copy."""
    made = op("Container", "withExec", BASE, args=["make"])
    held = op("Directory", "directory", made, path="/made")
    less = op("Directory", "withoutFile", held, path="log")
    old = op("Directory", "withTimestamps", less, timestamp=5)
    final = op("Container", "withDirectory", BASE, path="/d", source=old)
    text = containerfile([ROOT, BASE, made, held, less, old, final])

    assert 'COPY --from=s2 /made /tree\nRUN ["rm", "-rf", "/tree/log"]\n' in text
    assert 'COPY --from=s3 /tree /tree\nRUN ["find", "/tree", ' in text
    assert '"--date", "@5", "{}", "+"]' in text
    assert text.endswith("COPY --from=s4 /tree /d\n")


def test_a_mount_that_is_read_back_is_copied():
    """What is taken out of a container where it was mounted is what its commands left there."""
    ran = op("Container", "withExec", BASE, args=["make"])
    made = op("Directory", "directory", ran, path="/made")
    mounted = op("Container", "withMountedDirectory", BASE, path="/in", source=made)
    checked = op("Container", "withExec", mounted, args=["check", "/in"])
    back = op("Directory", "directory", checked, path="/in/part")
    final = op("Container", "withDirectory", BASE, path="/d", source=back)
    text = containerfile([ROOT, BASE, ran, made, mounted, checked, back, final])

    assert 'COPY --from=s2 /made /in\nRUN ["check", "/in"]\n' in text
    assert text.endswith("COPY --from=s3 /in/part /d\n")


def test_what_only_a_run_can_tell_is_said():
    """A pipeline that decides on what a container wrote may take another way when it runs."""
    ran = op("Container", "withExec", BASE, args=["make"])
    report = op("File", "file", ran, path="/out/report")
    asked = op("String", "contents", report)
    text = containerfile([ROOT, BASE, ran, report, asked], [asked])

    assert "# taken as empty, since only a run can tell: Container.file path=/out/report contents\n" in text


def test_what_has_no_counterpart_is_said():
    """An operation that a Containerfile does not have stays as a comment."""
    changed = op("Container", "withAnnotation", BASE, name="a", value="b")

    assert "# no counterpart: Container.withAnnotation name=a value=b" in containerfile([ROOT, BASE, changed])


def test_a_new_file_is_copied_from_the_texts():
    """Contents are written by a stage of their own, in pieces, and copied with mode and owner."""
    long = "x" * 100_000
    made = op("Container", "withNewFile", BASE, path="/x", contents="a\nb", permissions=384, owner="1:2")
    more = op("Container", "withNewFile", made, path="/y", contents=long)
    text = containerfile([ROOT, BASE, made, more])

    assert "printf %s 'YQpi' | base64 -d >/texts/1" in text
    assert "COPY --from=texts --chmod=600 --chown=1:2 /texts/1 /x\n" in text
    assert text.count("/texts/2") == 4
    assert text.index("AS texts") < text.index("COPY --from=texts")


def test_files_are_removed_and_linked_by_the_images_programs():
    """What a Containerfile has no word for is run."""
    less = op("Container", "withoutFile", BASE, path="/x")
    linked = op("Container", "withSymlink", less, target="/a b", linkName="/l")

    assert containerfile([ROOT, BASE, less, linked]).endswith(
        'RUN ["rm", "-rf", "/x"]\nRUN ["ln", "-s", "/a b", "/l"]\n'
    )
