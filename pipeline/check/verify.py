"""Stage 6b of 8: an image in, a verdict about every promise out."""

import json
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree import ElementTree as ET

import dagger
from dagger import dag

from pipeline.build.archives import packed_archive, raw_archive
from pipeline.build.assembly import Assembly
from pipeline.build.cuda import cuda_labels
from pipeline.build.image import VENV, base_labels, image_labels
from pipeline.check.skips import allowed, privileges_refusal, unallowed
from pipeline.compat import without_engine
from pipeline.containers import EPOCH, Builder, program_files, text_file, with_packages
from pipeline.errors import ChecksFailedError
from pipeline.tasks import task_group
from pipeline.variants import VARIANTS, Base, Variant
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
Check = dict[str, str]
"""name, status, reason, found, expected, do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
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


async def verification(assembly: Assembly, variant: Variant, base: Base) -> dagger.Directory:
    """Judge an image by every promise; all run, and a failed one raises nothing.

    Returns:
        verify.json (variant and checks), verify.xml (JUnit), verify.txt (a table).

    """
    checks = await verdicts(assembly.builder, await judged(assembly, variant, base))
    return _reports(checks, variant)


async def verified_table(assembly: Assembly, variant: Variant, base: Base) -> str:
    """Return the table of an image that keeps every promise.

    Raises:
        ChecksFailedError: a promise is broken; every one is listed with found, expected, do.

    """
    checks = await verdicts(assembly.builder, await judged(assembly, variant, base))
    require_kept(checks, variant)
    return _table(checks)


def require_kept(checks: list[Check], variant: Variant) -> None:
    """Check that no verdict is a failure.

    Raises:
        ChecksFailedError: a promise is broken; every one is listed with found, expected, do.

    """
    failed = [
        f"{check['name']}: {check['found']}; expected {check['expected']}. {check['do']}"
        for check in checks
        if check["status"] == "failed"
    ]
    if failed:
        raise ChecksFailedError.gathered(f"verify {variant.value}", failed)


async def judged(assembly: Assembly, variant: Variant, base: Base) -> Judged:
    """Return a variant's image with what is known of how it was made."""
    config, declared = assembly.config, assembly.config.variant(variant)
    reference, cuda = await assembly.builder.reference(), assembly.cuda_image(variant)
    secrets, accepted = (assembly.builder.index_auth, assembly.hub.token), config.service.verify
    facts = {
        "base": base.value,
        "cuda": VARIANTS[variant].cuda,
        "base_reference": reference,
        "cuda_image": cuda,
        "labels": {**image_labels(config, variant), **base_labels(reference), **cuda_labels(cuda)},
        "port": config.service.port,
        "protocol": config.service.protocol,
        "ready": config.service.ready_path,
        "probe": config.service.probe.model_dump() if config.service.probe else {},
        "shell": config.service.shell,
        "epoch": EPOCH,
        "budget_mb": declared.budget_mb,
        "budget_compressed_mb": declared.budget_compressed_mb,
        "budget_unopened_mb": declared.budget_unopened_mb,
        "licences": [*LICENCES, *config.service.licences],
        "accepted_licences": [one.model_dump() for one in accepted.accepted_licences],
        "accepted_secrets": [one.model_dump() for one in accepted.accepted_secrets],
        "models": list(declared.models),
    }
    return Judged(
        image=await assembly.image(variant, base),
        facts=facts,
        lock=(await assembly.lock(variant)).text,
        wheels=await assembly.wheels(variant),
        models_lock=await assembly.files.text("models.lock") or "",
        credentials=tuple(secret for secret in secrets if secret),
        accepted=accepted,
    )


async def verdicts(builder: Builder, subject: Judged) -> list[Check]:
    """Return the verdicts about files and settings, about imports, and about the started service."""
    found: list[list[Check]] = [[], [], []]

    async def put(place: int, work: Awaitable[list[Check]]) -> None:
        found[place] = await work

    async with task_group() as group:
        group.start_soon(put, 0, _static(builder, subject))
        group.start_soon(put, 1, _imports(subject.image))
        group.start_soon(put, 2, _started(builder, subject))
    return [check for checks in found for check in checks]


async def _static(builder: Builder, subject: Judged) -> list[Check]:
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


async def _started(builder: Builder, subject: Judged) -> list[Check]:
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


async def _with_image(builder: Builder, subject: Judged) -> dagger.Container:
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
        .with_new_file("verify.txt", _table(checks))
    )


def _table(checks: list[Check]) -> str:
    """Return one line per check: status, name, what was found or why it was skipped."""
    wide = max(len(check["name"]) for check in checks)
    lines = [f"{c['status']:<8} {c['name']:<{wide}}  {c['reason'] or c['found']}".rstrip() for c in checks]
    counts = [
        f"{sum(c['status'] == status for c in checks)} {status}" for status in ("passed", "failed", "skipped")
    ]
    return "\n".join([*lines, ", ".join(counts), ""])
