"""The rooms of lists and scans on the embedded engine: the base image listed, scanned, refused."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.pipeline.sessions import run_session
from tests.programs.scan.bucket import bucket

pytestmark = pytest.mark.engine
LIST = """
    from pipeline.containers import Builder
    from pipeline.check.sbom import SbomInput, software_lists
    builder = Builder(image=BASE)
    subject = SbomInput(
        image=builder.base(),
        labels={"org.opencontainers.image.title": "demo"},
        requirements=(),
        lock="",
        wheels=dag.directory(),
    )
    lists = await software_lists(builder, subject)
"""
SCAN = """
    from pipeline.errors import ChecksFailedError
    from pipeline.check.scan import Advisories, Question, findings, require_passed
    from pipeline.scan_config import ScanConfig
    records = dag.host().directory(str(ROOT / "tests/assets/advisories")).file("records.json")
    question = Question(bill=lists.file("sbom.cdx.json"))
    advisories = Advisories(file=records, offline=True)
    config = ScanConfig(**SETTINGS)
    found = await findings(builder, question, advisories, config, "2026-07-14T00:00:00+00:00")
    try:
        await require_passed(found)
        print("passed")
    except ChecksFailedError as error:
        print(error)
"""


def test_the_base_image_is_listed_with_its_digest(tmp_path: Path):
    """The list of an image holds its Debian packages and the digest of the base it stands on."""
    done = run_session(tmp_path, LIST + '    print(await lists.file("sbom.cdx.json").contents())')
    assert done.returncode == 0, done.stderr
    kinds = [one.get("purl", "").partition("/")[0] for one in json.loads(done.stdout)["components"]]

    assert kinds.count("pkg:deb") > 50
    assert "@sha256%3A" in next(
        one["purl"] for one in json.loads(done.stdout)["components"] if one["type"] == "container"
    )


SWAPPED = """
    from dataclasses import replace
    wheels = dag.directory().with_new_file("alpha-1.0-py3-none-any.whl", "other bytes")
    lock = "alpha==1.0 --hash=sha256:" + 64 * "0"
    try:
        await (await software_lists(builder, replace(subject, wheels=wheels, lock=lock))).sync()
    except dagger.ExecError as error:
        print(error.stderr)
"""


def test_a_wheel_swapped_between_download_and_list_stops_the_list(tmp_path: Path):
    """The wheels that the image was made of are held against the lock again; the swapped one is named."""
    done = run_session(tmp_path, LIST + SWAPPED)

    assert "SwappedWheelError: alpha-1.0-py3-none-any.whl: sha256" in done.stdout, done.stderr


ALLOWED = {"reason": "no mirror is asked in tests", "until": "2026-12-31"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"allow_skipped": {"debian": ALLOWED}}, "passed"),
        ({}, "changelogs: no package source was asked; expected a scan"),
        (
            {"allow_skipped": {"debian": ALLOWED}, "max_age_days": 0.5},
            "age of the data 0.8 days",
        ),
    ],
)
def test_the_gate_decides_on_what_the_container_found(tmp_path: Path, settings: dict[str, object], said: str):
    """A scan passes only when nothing was skipped unasked and the data is fresh."""
    done = run_session(tmp_path, LIST + f"    SETTINGS = {settings!r}" + SCAN)

    assert said in done.stdout, done.stderr


DYING = """
    import pipeline.check.scan as room
    from pipeline.containers import text_file
    from pipeline.scan_config import Scanner
    room.COMMANDS[Scanner.GRYPE] = ("python3", "-c", "raise SystemExit('no route to the database')")
    room._changelogs = lambda *_: text_file("debian.json", '{"failure": "SourceError: no route"}')
    question = room.Question(bill=lists.file("sbom.cdx.json"))
    config = room.ScanConfig.model_construct(grype=BASE)
    nowhere = room.Advisories(feed=room.Feed(url="http://127.0.0.1:9"))
    found = await room.findings(builder, question, nowhere, config, "2026-07-14T00:00:00+00:00")
    print(await found.file("failures.txt").contents())
"""


def test_a_scanner_that_dies_without_a_report_fails_the_gate(tmp_path: Path):
    """A network that ends in the middle of a scan gives failures with names, not a missing file."""
    done = run_session(tmp_path, LIST + DYING)

    assert "python: not scanned: grype.json is not a JSON report of grype" in done.stdout, done.stderr
    assert "changelogs: SourceError: no route" in done.stdout


FED = """
    from pipeline.check.advisories import Feed
    from pipeline.check.scan import Advisories, Question, findings
    from pipeline.scan_config import ScanConfig
    question = Question(bill=lists.file("sbom.cdx.json"))
    async def failures(url):
        known = Advisories(feed=Feed(url=url))
        found = await findings(builder, question, known, ScanConfig(), NOW)
        part = json.loads(await found.file("findings.json").contents())["coverage"][0]
        print(json.dumps([part["status"], part["reason"], part["sources"]]))
    import pipeline.check.scan as room
    from pipeline.containers import text_file
    room._changelogs = lambda *_: text_file("debian.json", '{"failure": "not asked in this test"}')
    await failures(URL)
    await failures(URL)
    await failures("http://127.0.0.1:9")
"""


def test_advisories_are_fetched_once_a_day_when_none_are_given(tmp_path: Path):
    """With nothing configured OSV's bucket judges the wheels; one that is gone leaves them unscanned."""
    now = datetime.now(UTC).isoformat()
    with bucket(tmp_path / "bucket") as (url, asked):
        done = run_session(tmp_path, f"{LIST}    URL, NOW = {url!r}, {now!r}{FED}")

    assert done.returncode == 0, done.stderr
    first, second, gone = map(json.loads, done.stdout.splitlines())
    assert first == second == ["scanned", "", [{"name": "OSV (PyPI)", "judged": first[2][0]["judged"]}]]
    assert first[2][0]["judged"] > 0
    assert asked == ["/PyPI/all.zip", "/Debian/all.zip"]
    assert gone[0] == "unscanned"
    assert "http://127.0.0.1:9/PyPI/all.zip: no connection" in gone[1]
