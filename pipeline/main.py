"""The main object: what `dagger functions` lists, each method one call of a room."""

import sys
import time
from datetime import UTC, datetime
from typing import Annotated

import dagger
from dagger import DefaultPath, Doc, Ignore, function, object_type

from pipeline.arguments import (
    AllowHttp,
    BaseOption,
    Login,
    Offline,
    Password,
    Records,
    RecordsFile,
    RegistryService,
    Scanners,
    User,
    VariantOption,
    registry_at,
)
from pipeline.build.dev import live_service, send_source
from pipeline.build.init import initial_config
from pipeline.build.lock_refresh import fresh_locks, lock_changes
from pipeline.build.models import gate_table, model_cache
from pipeline.check.artifacts import image_artifacts
from pipeline.check.ci import CiRun, proven
from pipeline.check.compare import Comparison, comparison
from pipeline.check.layers import layer_audit, layer_makers
from pipeline.check.report import Report, ReportContext, reported
from pipeline.check.sbom import CYCLONEDX, SPDX, software_lists
from pipeline.check.scan import Advisories, Question, findings, require_passed
from pipeline.check.tests import test_outcomes, test_reports
from pipeline.check.verify import verified_table
from pipeline.compat import generate, up
from pipeline.dagger_checks import Checks
from pipeline.publish.attestations import image_question, published
from pipeline.publish.manifests import deployment_files
from pipeline.publish.options import PublishOptions
from pipeline.publish.push import Compression, promote_image
from pipeline.publish.signing import published_list, verified
from pipeline.publish.tags import TagOptions
from pipeline.scan_config import Scanner
from pipeline.settings import DEFAULT_IMAGE, advisories_of, assembly_of, builder_of, copied, place_of
from pipeline.variants import Base, Variant


@object_type
class Wheelhouse:
    """Build, test and publish small images of a Python LLM service."""

    source: Annotated[
        dagger.Directory,
        DefaultPath("/app"),
        # Of the repository only the list of what it tracks is uploaded.
        Ignore([".git/*", "!.git/index", ".venv", "**/__pycache__", "**/.env", "**/.pytest_cache", "out"]),
        Doc("The service: pyproject.toml with [tool.wheelhouse], requirements/, models.lock, code"),
    ]
    python_image: Annotated[str, Doc("Base image; empty: python:X.Y-slim of the service's Python")] = ""
    cuda_base: Annotated[str, Doc("nvidia/cuda:…-base-…: CUDA libraries from it, none of wheels")] = ""
    index_url: Annotated[str, Doc("Package index; empty: the installer's default")] = ""
    index_auth: Annotated[dagger.Secret | None, Doc("netrc file with credentials of the index")] = None
    hf_endpoint: Annotated[str, Doc("Base URL of a model hub; empty: the public one")] = ""
    hf_token: Annotated[dagger.Secret | None, Doc("Access token of the model hub")] = None
    weights: Annotated[dagger.Directory | None, Doc("Files of models, for sites without a hub")] = None
    models_server: Annotated[
        dagger.Service | None,
        Doc("A hub or registry that only this machine reaches: tcp://HOST:PORT; loopback addresses mean it"),
    ] = None
    advisories_url: Annotated[str, Doc("Mirror of OSV's bucket, fetched once a day")] = ""
    advisories_server: Annotated[dagger.Service | None, Doc("A mirror only this machine reaches")] = None
    cache: Annotated[str, Doc("REGISTRY/REPOSITORY of what other machines made: wheels, models, …")] = ""
    cache_key: Annotated[dagger.Secret | None, Doc("PEM, ECDSA P-256: signs what is written there")] = None
    cache_public_key: Annotated[dagger.File | None, Doc("Whose signature counts, to read only")] = None
    cache_username: Annotated[str, Doc("User at the cache's registry")] = ""
    cache_password: Annotated[dagger.Secret | None, Doc("env://NAME, file://PATH, cmd://PROGRAM")] = None
    cache_registry: RegistryService = None

    @function
    async def init(
        self,
        command: Annotated[str, Doc("What starts the service; empty: read it from its files")] = "",
        force: Annotated[bool, Doc("Replace an existing [tool.wheelhouse]")] = False,
    ) -> dagger.Directory:
        """Write pyproject.toml for a project without one, from what its files say; save it with -o."""
        builder = builder_of(self, self.python_image or DEFAULT_IMAGE)
        return await initial_config(builder, self.source, command=command, force=force)

    # mypy: the SDK's overloads of `function` leave out `cache`, which it accepts at run time.
    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def lock(
        self, upgrade: Annotated[bool, Doc("Newest versions, not only what is missing")] = False
    ) -> dagger.Directory:
        """Make the lock files anew; save them with -o into the service's folder."""
        return await fresh_locks(await assembly_of(self), upgrade=upgrade, now=str(time.time_ns()))

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    @generate
    async def lock_changes(
        self, at: Annotated[str, Doc("Folder of the service in the workspace")] = "app"
    ) -> dagger.Changeset:
        """Create missing lock entries as a change of the workspace: `dagger generate` applies it."""
        return await lock_changes(await assembly_of(self), at=at, now=str(time.time_ns()))

    @function
    async def wheels(self, variant: VariantOption = Variant.CPU) -> dagger.Directory:
        """Make every wheel that a variant needs, each checked by its hash."""
        return await (await assembly_of(self)).wheels(variant)

    @function
    async def models(self, variant: VariantOption = Variant.CPU) -> dagger.Directory:
        """Make the models of a variant in the format they run in; print how close each is to float32."""
        models = await (await assembly_of(self)).models(variant)
        print(await gate_table(models), file=sys.stderr, end="")  # noqa: T201 - the result stays on stdout
        return model_cache(models)

    @function
    async def build(
        self, variant: VariantOption = Variant.CPU, base: BaseOption = Base.SMALL
    ) -> dagger.Container:
        """Build the runtime image of a variant."""
        return await (await assembly_of(self)).image(variant, base)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def artifacts(
        self, variant: VariantOption = Variant.CPU, base: BaseOption = Base.SMALL
    ) -> dagger.Directory:
        """Make the archive of an image and a page about it: layers, wheels, models, seconds."""
        return await image_artifacts(await assembly_of(self), variant, base)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    @up
    async def dev(
        self,
        variant: VariantOption = Variant.CPU,
        debug_port: Annotated[int, Doc("Port for debugpy; 0: none")] = 0,
    ) -> dagger.Service:
        """Run the service for development: started anew at each `reload`; use with `up`."""
        assembly = await assembly_of(self)
        return await live_service(assembly, variant, debug_port=debug_port, now=str(time.time_ns()))

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def reload(self) -> str:
        """Send the edited source to the service that `dev` runs; list what changed."""
        return await send_source(await assembly_of(self), str(time.time_ns()))

    @function
    async def layers(self, variant: VariantOption = Variant.CPU, base: BaseOption = Base.SMALL) -> str:
        """Show what each layer of an image holds and weighs, and what it ships for nothing."""
        return await (await self._audited(variant, base)).file("layers.txt").contents()

    @function
    async def layer_map(
        self, variant: VariantOption = Variant.CPU, base: BaseOption = Base.SMALL
    ) -> dagger.Directory:
        """Audit the layers of an image: a table, JSON and a picture (layers.svg)."""
        return await self._audited(variant, base)

    @function
    async def test(
        self,
        variant: VariantOption = Variant.CPU,
        base: BaseOption = Base.SMALL,
        gate: Annotated[bool, Doc("Fail when the tests do; false: only report")] = True,
    ) -> dagger.Directory:
        """Test an image: the service's own tests inside it, then the service over HTTP."""
        assembly = await assembly_of(self)
        reports = test_reports if gate else test_outcomes
        return await reports(assembly.builder, await assembly.subject(variant, base))

    @function
    async def verify(self, variant: VariantOption = Variant.CPU, base: BaseOption = Base.SMALL) -> str:
        """Check every promise of an image; fail listing each that is broken."""
        return await verified_table(await assembly_of(self), variant, base)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def compare(
        self,
        variant: VariantOption = Variant.CPU,
        naive_base: Annotated[str, Doc("Base of the naive image, e.g. python:3.13; empty: ours")] = "",
        torch: Annotated[bool, Doc("Naive with torch and sentence-transformers: 6 GB")] = False,
        cold: Annotated[bool, Doc("Build both from nothing, to time that")] = True,
        advisories: Records = None,
    ) -> dagger.Directory:
        """Build the naive one-stage image beside ours and measure both: table, JSON, picture."""
        known = Advisories(directory=advisories, offline=True) if advisories else None
        wanted = Comparison(
            variant=variant, naive_base=naive_base, torch=torch, cold=cold, advisories=known, now=_now()
        )
        return await comparison(await assembly_of(self), wanted)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def ci(  # noqa: PLR0913, PLR0917 - arguments of the command line
        self,
        variants: Annotated[list[Variant], Doc("Which images; none: all that are declared")] = [],  # noqa: B006
        base: BaseOption = Base.SMALL,
        module: Annotated[str, Doc("This module as others name it, for the printed lines: URL@COMMIT")] = "",
        address: Annotated[str, Doc("The --source of the printed lines: a folder or URL#COMMIT")] = "",
        compare: Annotated[bool, Doc("Hold an image (cpu, or the first) against a naive one, too")] = False,
        advisories: Records = None,
        advisories_file: RecordsFile = None,
        scanner: Scanners = Scanner.GRYPE,
        offline: Offline = False,
    ) -> Report:
        """Build, test, check, weigh and scan all images at once; report all of it, fail at the `gate`."""
        assembly, now = await assembly_of(self), _now()
        known = advisories_of(self, advisories, advisories_file, scanner, offline=offline)
        chosen = variants or [one for one in Variant if one.value in assembly.config.service.variants]
        compared = (Variant.CPU if Variant.CPU in chosen else chosen[0]) if compare else None
        proof = CiRun(variants=chosen, base=base, advisories=known, now=now, compared=compared)
        place = await place_of(self, module, address)
        told = ReportContext(config=assembly.config, place=place)
        return await reported(assembly.builder, await proven(assembly, proof), proof, told)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def publish(  # noqa: PLR0913, PLR0917 - arguments of the command line
        self,
        address: Annotated[str, Doc("REGISTRY/REPOSITORY without a tag")],
        repository: Annotated[dagger.GitRepository, DefaultPath("/"), Doc("HEAD of it makes the tags")],
        variants: Annotated[list[Variant], Doc("Which images")] = [Variant.CPU],  # noqa: B006 - read only
        platforms: Annotated[list[str], Doc("linux/amd64, …: an index; none: the engine's own")] = [],  # noqa: B006
        tags: Annotated[list[str], Doc("Further tags; versions and sha-… never move")] = [],  # noqa: B006
        branch: Annotated[bool, Doc("Tag with the branch's name, too")] = False,
        latest: Annotated[bool, Doc("Move `latest` here")] = False,
        allow_dirty: Annotated[bool, Doc("Publish uncommitted changes as sha-…-dirty")] = False,
        compression: Annotated[Compression, Doc("How layers are packed")] = Compression.GZIP,
        signing_key: Annotated[dagger.Secret | None, Doc("PEM, ECDSA P-256: signs the provenance")] = None,
        advisories: Records = None,
        advisories_file: RecordsFile = None,
        scanner: Scanners = Scanner.GRYPE,
        offline: Offline = False,
        username: User = "",
        password: Password = None,
        docker_config: Login = None,
        registry: RegistryService = None,
        insecure: AllowHttp = False,
    ) -> list[str]:
        """Test, check and scan, then push all images or none: `REPOSITORY@sha256:… TAG…`, one a line."""
        known = advisories_of(self, advisories, advisories_file, scanner, offline=offline)
        wanted = PublishOptions(
            registry=registry_at(address, username, password, docker_config, registry, insecure),
            variants=variants,
            wishes=TagOptions(extra=tuple(tags), branch=branch, latest=latest, allow_dirty=allow_dirty),
            compression=compression,
            advisories=known,
            signing_key=signing_key,
            platforms=platforms,
        )
        return await published(await assembly_of(self), repository, wanted, _now())

    @function
    async def manifests(
        self,
        image: Annotated[str, Doc("REPOSITORY@sha256:… as `publish` prints it")],
        variant: VariantOption = Variant.CPU,
    ) -> dagger.Directory:
        """Write compose.yaml and kubernetes.yaml that start an image as `verify` does."""
        return deployment_files((await assembly_of(self)).config, variant, image)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def promote(  # noqa: PLR0913, PLR0917 - arguments of the command line
        self,
        image: Annotated[str, Doc("REPOSITORY@sha256:… or REPOSITORY:TAG")],
        address: Annotated[str, Doc("REGISTRY/REPOSITORY that it is copied to")],
        tags: Annotated[list[str], Doc("Tags there; versions and sha-… never move")] = [],  # noqa: B006
        username: User = "",
        password: Password = None,
        source_username: Annotated[str, Doc("User where it comes from, if another")] = "",
        source_password: Annotated[dagger.Secret | None, Doc("Password where it comes from")] = None,
        docker_config: Login = None,
        registry: RegistryService = None,
        insecure: AllowHttp = False,
    ) -> str:
        """Copy an image with all that refers to it, by digest; nothing is rebuilt."""
        origin = registry_at(image, source_username, source_password, None, None, insecure)
        target = registry_at(address, username, password, docker_config, registry, insecure)
        return await promote_image((await assembly_of(self)).builder, origin, target, tuple(tags))

    @function
    async def sbom(
        self,
        variant: VariantOption = Variant.CPU,
        base: BaseOption = Base.SMALL,
        spdx: Annotated[bool, Doc("SPDX 2.3 instead of CycloneDX 1.6")] = False,
    ) -> dagger.File:
        """List what an image holds: packages, wheels, models, by hash."""
        assembly = await assembly_of(self)
        lists = await software_lists(assembly.builder, await assembly.listed(variant, base))
        return lists.file(SPDX if spdx else CYCLONEDX)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def scan(  # noqa: PLR0913, PLR0917 - arguments of the command line
        self,
        variant: VariantOption = Variant.CPU,
        base: BaseOption = Base.SMALL,
        sbom: Annotated[dagger.File | None, Doc("A list to judge; must be of this very image")] = None,
        advisories: Records = None,
        advisories_file: RecordsFile = None,
        scanner: Scanners = Scanner.GRYPE,
        offline: Offline = False,
        gate: Annotated[bool, Doc("Fail when the findings do; false: only report")] = True,
    ) -> dagger.Directory:
        """Scan what an image holds: findings, SARIF, OpenVEX, a table."""
        assembly = await assembly_of(self)
        known = advisories_of(self, advisories, advisories_file, scanner, offline=offline)
        question = await image_question(assembly, variant, base, sbom)
        found = await findings(assembly.builder, question, known, assembly.config.service.scan, _now())
        return await require_passed(found) if gate else found

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def rescan(  # noqa: PLR0913, PLR0917 - arguments of the command line
        self,
        reference: Annotated[str, Doc("REPOSITORY@sha256:… of a published image")],
        advisories: Records = None,
        advisories_file: RecordsFile = None,
        scanner: Scanners = Scanner.GRYPE,
        offline: Offline = False,
        username: User = "",
        password: Password = None,
        docker_config: Login = None,
        registry: RegistryService = None,
        insecure: AllowHttp = False,
    ) -> dagger.Directory:
        """Scan a published image again, by the list attached to it."""
        assembly = await assembly_of(self)
        image = registry_at(reference, username, password, docker_config, registry, insecure)
        bill = await published_list(assembly.builder, image)
        known = advisories_of(self, advisories, advisories_file, scanner, offline=offline)
        config = assembly.config.service.scan
        return await require_passed(
            await findings(assembly.builder, Question(bill=bill), known, config, _now())
        )

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def verify_signature(  # noqa: PLR0913, PLR0917 - arguments of the command line
        self,
        reference: Annotated[str, Doc("REPOSITORY@sha256:… of a published image")],
        public_key: Annotated[dagger.File, Doc("PEM of the ECDSA P-256 public key")],
        username: User = "",
        password: Password = None,
        docker_config: Login = None,
        registry: RegistryService = None,
        insecure: AllowHttp = False,
    ) -> str:
        """Check the signed statements about a published image."""
        image = registry_at(reference, username, password, docker_config, registry, insecure)
        return await verified((await assembly_of(self)).builder, image, public_key)

    @function
    def checks(self) -> Checks:
        """Group what `dagger check` runs, each image's tests and policies, with this repository's own."""
        return Checks(**copied(self))

    async def _audited(self, variant: Variant, base: Base) -> dagger.Directory:
        assembly = await assembly_of(self)
        makers = layer_makers(assembly.config, variant, base)
        return await layer_audit(assembly.builder, await assembly.image(variant, base), makers)


def _now() -> str:
    return datetime.now(UTC).isoformat()
