"""Stage 6b of 8: an image in, a verdict about every promise out."""

import json
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree import ElementTree as ET

import dagger
from dagger import dag

from pipeline.build.archives import packed_archive, raw_archive
from pipeline.build.image import VENV
from pipeline.build.stages import BuiltImage, image_wheels
from pipeline.check.outcome import Outcome
from pipeline.check.skips import allowed, privileges_refusal, unallowed
from pipeline.compat import without_engine
from pipeline.containers import EPOCH, Builder, program_files, text_file, with_packages
from pipeline.tasks import gather
from pipeline.variants import VARIANTS, Variant
from pipeline.verify_config import LICENCES, VerifyConfig

REQUIREMENTS: Final = "verify/requirements.txt"
STATIC: Final = ("python3", "-m", "verify.static", "--archive", "/in/raw.tar", "--packed", "/in/zstd.tar")
TRIAL: Final = ("python3", "-m", "verify.trial", "--archive", "/in/raw.tar", "--facts", "/in/facts.json")
STARTED: Final = (
    "starts under restrictions",
    "answers its probe without network",
    "healthcheck can fail",
    "process 1 reaps zombies",
    "bytes opened at start",
    "readiness needs the model",
)
"""Promises that programs/verify/trial.py judges."""
TABLE: Final = "verify.txt"
Check = dict[str, str]
"""name, status, reason, found, expected, do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyInput:
    """An image with what it is held against."""

    image: dagger.Container
    facts: dict[str, Any]
    """Fields of programs/verify/subject.py's Facts."""
    lock: str
    wheels: dagger.Directory
    models_lock: str
    """Text of models.lock; "" where the service has none."""
    credentials: tuple[dagger.Secret, ...] = ()
    """What the build was given; nothing of it may be in the image."""
    accepted: VerifyConfig = field(default_factory=VerifyConfig)
    """What the service accepts."""


async def verify_image(image: BuiltImage) -> Outcome:
    """Check an image by every policy; all run, whatever fails.

    Its files are verify.json (variant and checks), verify.xml (JUnit) and verify.txt (a table).
    """
    checks = await verdicts(image.project.builder, await verify_input(image))
    failed = [
        f"{check['name']}: {check['found']}; expected {check['expected']}. {check['do']}"
        for check in checks
        if check["status"] == "failed"
    ]
    files = _reports(checks, image.variant)
    return Outcome(step="verify", variant=image.variant, files=files, failures=tuple(failed))


async def verify_input(image: BuiltImage) -> VerifyInput:
    """Return an image with what is known of how it was built."""
    project, variant = image.project, image.variant
    service, declared = project.config.service, project.config.variant(variant)
    secrets, accepted = (project.builder.index_auth, project.hub.token), service.verify
    facts = {
        "base": image.base.value,
        "cuda": VARIANTS[variant].cuda,
        "base_reference": await project.builder.reference(),
        "cuda_image": project.cuda_image(variant),
        "labels": image.labels,
        "port": service.port,
        "protocol": service.protocol,
        "ready": service.ready_path,
        "probe": service.probe.model_dump() if service.probe else {},
        "shell": service.shell,
        "epoch": EPOCH,
        "budget_mb": declared.budget_mb,
        "budget_compressed_mb": declared.budget_compressed_mb,
        "budget_unopened_mb": declared.budget_unopened_mb,
        "licences": [*LICENCES, *service.licences],
        "accepted_licences": [one.model_dump() for one in accepted.accepted_licences],
        "accepted_secrets": [one.model_dump() for one in accepted.accepted_secrets],
        "models": list(declared.models),
    }
    return VerifyInput(
        image=image.container,
        facts=facts,
        lock=image.lock.text,
        wheels=await image_wheels(project, variant, image.lock),
        models_lock=await project.files.text("models.lock") or "",
        credentials=tuple(secret for secret in secrets if secret),
        accepted=accepted,
    )


async def verdicts(builder: Builder, subject: VerifyInput) -> list[Check]:
    """Return the verdicts about files and settings, about imports, and about the started service."""
    found = await gather(_static(builder, subject), _imports(subject.image), _started(builder, subject))
    return [check for checks in found for check in checks]


async def _static(builder: Builder, subject: VerifyInput) -> list[Check]:
    packed = await packed_archive(subject.image)
    words = [*STATIC, "--facts", "/in/facts.json", "--lock", "/in/lock.txt", "--wheels", "/in/wheels"]
    container = (
        (await _with_image(builder, subject))
        .with_mounted_file("/in/zstd.tar", packed)
        .with_mounted_file("/in/lock.txt", text_file("lock.txt", subject.lock))
        .with_mounted_directory("/in/wheels", subject.wheels)
    )
    if subject.models_lock:
        container = container.with_mounted_file("/in/m.lock", text_file("models.lock", subject.models_lock))
        words += ["--models-lock", "/in/m.lock"]
    for number, secret in enumerate(subject.credentials):
        container = container.with_mounted_secret(f"/run/secrets/{number}", secret)
        words += ["--canary", f"/run/secrets/{number}"]
    checks: list[Check] = json.loads(
        await container.with_exec([*words, "--out", "/out.json"]).file("/out.json").contents()
    )
    return checks


async def _imports(image: dagger.Container) -> list[Check]:
    """Judge whether every top-level module can be imported in the image as it is."""
    programs = program_files("blame.py", "prove_imports.py", "site_files.py")
    run = image.with_mounted_directory("/programs", programs).with_exec(
        [f"{VENV}/bin/python", "/programs/prove_imports.py"],
        expect=dagger.ReturnType.ANY,
        **without_engine(),
    )
    try:
        output, failed = (await run.stderr()).strip().splitlines(), await run.exit_code() != 0
    except dagger.ExecError as error:
        # ANY accepts no end by a signal: a module that crashes the interpreter is a broken promise, too.
        output, failed = [f"exit code {error.exit_code}", *error.stderr.strip().splitlines()], True
    return [
        {
            "name": "modules importable",
            "status": "failed" if failed else "passed",
            "reason": "",
            "found": "; ".join(output[:6]) if failed else "",
            "expected": "every top-level module of every installed distribution",
            "do": "Lock what the module needs, or keep what a prune rule took." if failed else "",
        }
    ]


async def _started(builder: Builder, subject: VerifyInput) -> list[Check]:
    """Judge the started service, where the engine grants the privileges to confine it with."""
    trial = (await _with_image(builder, subject)).with_mounted_directory("/image", subject.image.rootfs())
    command = [*TRIAL, "--root", "/image", "--out", "/out.json"]
    run = trial.with_exec(command, insecure_root_capabilities=True, **without_engine())
    try:
        checks: list[Check] = json.loads(await run.file("/out.json").contents())
    except dagger.ExecError:
        raise
    except dagger.QueryError:
        if refusal := await privileges_refusal(builder):
            return _unconfined(
                f"the engine grants no insecure root capabilities: {refusal}", subject.accepted
            )
        raise
    return checks


def _unconfined(reason: str, accepted: VerifyConfig) -> list[Check]:
    """Return the verdicts where nothing can be confined: failures, unless that may be skipped."""
    found, expected, do = unallowed("confinement", reason, accepted)
    check = {"status": "failed", "reason": "", "found": found, "expected": expected, "do": do}
    if not found:
        reason = allowed("confinement", reason, accepted)
        check = {"status": "skipped", "reason": reason, "found": "", "expected": "", "do": ""}
    return [{"name": name, **check} for name in STARTED]


async def _with_image(builder: Builder, subject: VerifyInput) -> dagger.Container:
    raw = await raw_archive(subject.image)
    facts = text_file("facts.json", json.dumps(subject.facts, sort_keys=True))
    return (
        with_packages(builder, REQUIREMENTS, "verify")
        .with_mounted_file("/in/raw.tar", raw)
        .with_mounted_file("/in/facts.json", facts)
    )


def _reports(checks: list[Check], variant: Variant) -> dagger.Directory:
    suite = ET.Element("testsuite", name="verify", tests=str(len(checks)))
    for status, count in (("failed", "failures"), ("skipped", "skipped")):
        suite.set(count, str(sum(check["status"] == status for check in checks)))
    for check in checks:
        case = ET.SubElement(suite, "testcase", classname=f"verify.{variant.value}", name=check["name"])
        if check["status"] == "failed":
            message = f"{check['found']}; expected {check['expected']}. {check['do']}"
            ET.SubElement(case, "failure", message=message)
        elif check["status"] == "skipped":
            ET.SubElement(case, "skipped", message=check["reason"])
    document = {"variant": variant.value, "checks": checks}
    return (
        dag.directory()
        .with_new_file("verify.json", json.dumps(document, indent=1))
        .with_new_file("verify.xml", ET.tostring(suite, encoding="unicode", xml_declaration=True))
        .with_new_file(TABLE, _table(checks))
    )


def _table(checks: list[Check]) -> str:
    """Return one line per check: status, name, what was found or why it was skipped."""
    wide = max(len(check["name"]) for check in checks)
    lines = [f"{c['status']:<8} {c['name']:<{wide}}  {c['reason'] or c['found']}".rstrip() for c in checks]
    counts = [
        f"{sum(c['status'] == status for c in checks)} {status}" for status in ("passed", "failed", "skipped")
    ]
    return "\n".join([*lines, ", ".join(counts), ""])
