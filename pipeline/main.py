"""The main object: what `dagger functions` lists, each method one call of a room."""

import sys
import time
from datetime import UTC, datetime
from typing import Annotated

import dagger
from dagger import DefaultPath, Doc, Ignore, function, object_type

from pipeline.artifacts import image_artifacts
from pipeline.assembly import Assembly
from pipeline.builder import Builder
from pipeline.checks import test_outcomes, test_reports
from pipeline.commits import commit_time, git_state
from pipeline.dev import live_service, send_source
from pipeline.layers import layer_audit, layer_makers
from pipeline.models import Hub, gate_table, model_cache
from pipeline.publish import Publication, Registry, publish_images
from pipeline.refresh import fresh_locks
from pipeline.sbom import CYCLONEDX, SPDX, software_lists
from pipeline.scan import Advisories, Question, findings, require_passed
from pipeline.signing import Published, published_list, verified
from pipeline.tags import TagWishes
from pipeline.variants import Base, Variant

Which = Annotated[Variant, Doc("Which image")]
On = Annotated[Base, Doc("What the image stands on")]


@object_type
class Wheelhouse:
    """Build, test and publish small images of a Python LLM service."""

    source: Annotated[
        dagger.Directory,
        DefaultPath("/app"),
        Ignore([".git", ".venv", "**/__pycache__", "**/.env", "**/.pytest_cache", "out"]),
        Doc("The service: pyproject.toml with [tool.wheelhouse], requirements/, models.lock, code"),
    ]
    python_image: Annotated[str, Doc("Base image; empty: python:X.Y-slim of the service's Python")] = ""
    index_url: Annotated[str, Doc("Package index; empty: the installer's default")] = ""
    index_auth: Annotated[dagger.Secret | None, Doc("netrc file with credentials of the index")] = None
    hf_endpoint: Annotated[str, Doc("Base URL of a model hub; empty: the public one")] = ""
    hf_token: Annotated[dagger.Secret | None, Doc("Access token of the model hub")] = None
    weights: Annotated[dagger.Directory | None, Doc("Files of models, for sites without a hub")] = None

    # mypy: the SDK's overloads of `function` leave out `cache`, which it accepts at run time.
    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def lock(
        self, upgrade: Annotated[bool, Doc("Newest versions, not only what is missing")] = False
    ) -> dagger.Directory:
        """Make the lock files anew; save them with -o into the service's folder."""
        return await fresh_locks(await self._assembly(), upgrade=upgrade, now=str(time.time_ns()))

    @function
    async def wheels(self, variant: Which = Variant.CPU) -> dagger.Directory:
        """Make every wheel that a variant needs, each checked by its hash."""
        return await (await self._assembly()).wheels(variant)

    @function
    async def models(self, variant: Which = Variant.CPU) -> dagger.Directory:
        """Make the models of a variant in the format they run in; print how close each is to float32."""
        models = await (await self._assembly()).models(variant)
        print(await gate_table(models), file=sys.stderr, end="")  # noqa: T201 - the result stays on stdout
        return model_cache(models)

    @function
    async def build(self, variant: Which = Variant.CPU, base: On = Base.SMALL) -> dagger.Container:
        """Build the runtime image of a variant."""
        return await (await self._assembly()).image(variant, base)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def artifacts(self, variant: Which = Variant.CPU, base: On = Base.SMALL) -> dagger.Directory:
        """Make the archive of an image and a page about it: layers, wheels, models, seconds."""
        return await image_artifacts(await self._assembly(), variant, base)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def dev(
        self, variant: Which = Variant.CPU, debug_port: Annotated[int, Doc("Port for debugpy; 0: none")] = 0
    ) -> dagger.Service:
        """Run the service for development: started anew at each `reload`; use with `up`."""
        assembly = await self._assembly()
        return await live_service(assembly, variant, debug_port=debug_port, now=str(time.time_ns()))

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def reload(self) -> str:
        """Send the edited source to the service that `dev` runs; list what changed."""
        return await send_source(await self._assembly(), str(time.time_ns()))

    @function
    async def layers(self, variant: Which = Variant.CPU, base: On = Base.SMALL) -> str:
        """Show what each layer of an image holds and weighs, and what it ships for nothing."""
        return await (await self._audited(variant, base)).file("layers.txt").contents()

    @function
    async def layer_map(self, variant: Which = Variant.CPU, base: On = Base.SMALL) -> dagger.Directory:
        """Audit the layers of an image: a table, JSON and a picture (layers.svg)."""
        return await self._audited(variant, base)

    @function
    async def test(
        self,
        variant: Which = Variant.CPU,
        base: On = Base.SMALL,
        gate: Annotated[bool, Doc("Fail when the tests do; false: only report")] = True,
    ) -> dagger.Directory:
        """Test an image: the service's own tests inside it, then the service over HTTP."""
        assembly = await self._assembly()
        reports = test_reports if gate else test_outcomes
        return await reports(assembly.builder, await assembly.subject(variant, base))

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def publish(  # noqa: PLR0913, PLR0917 - arguments of the command line
        self,
        address: Annotated[str, Doc("REGISTRY/REPOSITORY without a tag")],
        repository: Annotated[dagger.GitRepository, DefaultPath("/"), Doc("HEAD of it makes the tags")],
        variants: Annotated[list[Variant], Doc("Which images")] = [Variant.CPU],  # noqa: B006 - read only
        tags: Annotated[list[str], Doc("Further tags; versions and sha-… never move")] = [],  # noqa: B006
        branch: Annotated[bool, Doc("Tag with the branch's name, too")] = False,
        latest: Annotated[bool, Doc("Move `latest` here")] = False,
        allow_dirty: Annotated[bool, Doc("Publish uncommitted changes as sha-…-dirty")] = False,
        username: Annotated[str, Doc("User at the registry")] = "",
        password: Annotated[dagger.Secret | None, Doc("env://NAME, file://PATH, cmd://PROGRAM")] = None,
        docker_config: Annotated[dagger.Secret | None, Doc("file://~/.docker/config.json")] = None,
        registry: Annotated[
            dagger.Service | None, Doc("One only this machine reaches: tcp://HOST:PORT")
        ] = None,
        insecure: Annotated[bool, Doc("Plain HTTP beyond loopback")] = False,
    ) -> list[str]:
        """Test, then push all images or none: `REPOSITORY@sha256:… TAG…`, one a line."""
        target = Registry(
            address=address,
            username=username,
            password=password,
            docker_config=docker_config,
            service=registry,
            insecure=insecure,
        )
        wishes = TagWishes(extra=tuple(tags), branch=branch, latest=latest, allow_dirty=allow_dirty)
        assembly = await self._assembly()
        state = await git_state(repository, with_branch=branch)
        created = await commit_time(assembly.builder, repository, state.commit) if state.commit else 0
        wanted = Publication(registry=target, state=state, created=created, variants=variants, wishes=wishes)
        return await publish_images(assembly, wanted)

    @function
    async def sbom(
        self,
        variant: Which = Variant.CPU,
        base: On = Base.SMALL,
        spdx: Annotated[bool, Doc("SPDX 2.3 instead of CycloneDX 1.6")] = False,
    ) -> dagger.File:
        """List what an image holds: packages, wheels, models, by hash."""
        assembly = await self._assembly()
        lists = await software_lists(assembly.builder, await assembly.listed(variant, base))
        return lists.file(SPDX if spdx else CYCLONEDX)

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def scan(  # noqa: PLR0913, PLR0917 - arguments of the command line
        self,
        variant: Which = Variant.CPU,
        base: On = Base.SMALL,
        advisories: Annotated[dagger.Directory | None, Doc("OSV records: JSON files or zips")] = None,
        advisories_file: Annotated[dagger.File | None, Doc("The same as one zip or JSON file")] = None,
        offline: Annotated[bool, Doc("Ask no network: neither grype nor the Debian mirror")] = False,
        gate: Annotated[bool, Doc("Fail when the findings do; false: only report")] = True,
    ) -> dagger.Directory:
        """Scan what an image holds: findings, SARIF, OpenVEX, a table."""
        assembly = await self._assembly()
        listed = await assembly.listed(variant, base)
        bill = (await software_lists(assembly.builder, listed)).file(CYCLONEDX)
        question = Question(bill=bill, lock=listed.lock, location=f"requirements/{variant.value}.txt")
        known = Advisories(directory=advisories, file=advisories_file, offline=offline)
        found = findings(assembly.builder, question, known, assembly.config.service.scan, _now())
        return await require_passed(found) if gate else found

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def rescan(  # noqa: PLR0913, PLR0917 - arguments of the command line
        self,
        reference: Annotated[str, Doc("REPOSITORY@sha256:… of a published image")],
        advisories: Annotated[dagger.Directory | None, Doc("OSV records: JSON files or zips")] = None,
        advisories_file: Annotated[dagger.File | None, Doc("The same as one zip or JSON file")] = None,
        username: Annotated[str, Doc("User of the registry")] = "",
        password: Annotated[dagger.Secret | None, Doc("Password of the registry")] = None,
        offline: Annotated[bool, Doc("Ask neither grype nor the Debian mirror")] = False,
    ) -> dagger.Directory:
        """Scan a published image again, by the list attached to it."""
        assembly, now = await self._assembly(), _now()
        published = Published(reference=reference, username=username, password=password)
        bill = await published_list(assembly.builder, published, now)
        known = Advisories(directory=advisories, file=advisories_file, offline=offline)
        config = assembly.config.service.scan
        return await require_passed(findings(assembly.builder, Question(bill=bill), known, config, now))

    @function(cache="never")  # type: ignore[call-overload, untyped-decorator]
    async def verify_signature(
        self,
        reference: Annotated[str, Doc("REPOSITORY@sha256:… of a published image")],
        public_key: Annotated[dagger.File, Doc("PEM of the ECDSA P-256 public key")],
        username: Annotated[str, Doc("User of the registry")] = "",
        password: Annotated[dagger.Secret | None, Doc("Password of the registry")] = None,
    ) -> str:
        """Check the signed statements about a published image."""
        published = Published(reference=reference, username=username, password=password)
        return await verified((await self._assembly()).builder, published, public_key, _now())

    async def _audited(self, variant: Variant, base: Base) -> dagger.Directory:
        assembly = await self._assembly()
        makers = layer_makers(assembly.config, variant, base)
        return await layer_audit(assembly.builder, await assembly.image(variant, base), makers)

    async def _assembly(self) -> Assembly:
        hub = Hub(endpoint=self.hf_endpoint, token=self.hf_token, weights=self.weights)
        builder = Builder(image=self.python_image, index_url=self.index_url, index_auth=self.index_auth)
        return await Assembly.of(self.source, builder, hub)


def _now() -> str:
    return datetime.now(UTC).isoformat()
