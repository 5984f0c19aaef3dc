"""Functions of stages 7 and 8: sbom, scan, publish, promote, rescan, verify-signature."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import dagger
from dagger import DefaultPath, Doc, function

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
from pipeline.check.sbom import CYCLONEDX, SPDX, sbom_input, software_lists
from pipeline.check.scan import Question, findings, require_passed, scan_image
from pipeline.compat import uncached
from pipeline.publish.manifests import deployment_files
from pipeline.publish.oci_layout import Compression
from pipeline.publish.options import PublishOptions
from pipeline.publish.push import promote_image, published
from pipeline.publish.signing import published_list, verified
from pipeline.publish.tags import TagOptions
from pipeline.scan_config import Scanner
from pipeline.settings import Settings
from pipeline.variants import Base, Variant


@dataclass(kw_only=True)
class PublishFunctions(Settings):
    """Functions about the contents of an image, and about published images."""

    @function
    async def sbom(
        self,
        variant: VariantOption = Variant.CPU,
        base: BaseOption = Base.SMALL,
        spdx: Annotated[bool, Doc("SPDX 2.3 instead of CycloneDX 1.6")] = False,
    ) -> dagger.File:
        """Write the SBOM of an image: packages, wheels and models with hashes."""
        image = await self._image(variant, base)
        lists = await software_lists(image.project.builder, await sbom_input(image))
        return lists.file(SPDX if spdx else CYCLONEDX)

    @uncached
    async def scan(  # noqa: PLR0913, PLR0917 - arguments of the command line
        self,
        variant: VariantOption = Variant.CPU,
        base: BaseOption = Base.SMALL,
        sbom: Annotated[dagger.File | None, Doc("SBOM to scan instead; must be of this image")] = None,
        advisories: Records = None,
        advisories_file: RecordsFile = None,
        scanner: Scanners = Scanner.GRYPE,
        offline: Offline = False,
        gate: Annotated[bool, Doc("Fail when the findings do; false: only report")] = True,
    ) -> dagger.Directory:
        """Scan an image: findings, SARIF, OpenVEX, a table."""
        known = self._advisories(advisories, advisories_file, scanner, offline=offline)
        outcome = await scan_image(await self._image(variant, base), known, current_time(), sbom)
        return outcome.passed_files() if gate else outcome.any_files()

    @uncached
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
        known = self._advisories(advisories, advisories_file, scanner, offline=offline)
        options = PublishOptions(
            registry=registry_at(address, username, password, docker_config, registry, insecure),
            variants=variants,
            wishes=TagOptions(extra=tuple(tags), branch=branch, latest=latest, allow_dirty=allow_dirty),
            compression=compression,
            advisories=known,
            signing_key=signing_key,
            platforms=platforms,
        )
        return await published(await self._project(), repository, options, current_time())

    @function
    async def manifests(
        self,
        image: Annotated[str, Doc("REPOSITORY@sha256:… as `publish` prints it")],
        variant: VariantOption = Variant.CPU,
    ) -> dagger.Directory:
        """Write compose.yaml and kubernetes.yaml that start an image as `verify` does."""
        return deployment_files((await self._project()).config, variant, image)

    @uncached
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
        return await promote_image((await self._project()).builder, origin, target, tuple(tags))

    @uncached
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
        """Scan a published image again, by its attached SBOM."""
        project = await self._project()
        image = registry_at(reference, username, password, docker_config, registry, insecure)
        sbom = await published_list(project.builder, image)
        known = self._advisories(advisories, advisories_file, scanner, offline=offline)
        config = project.config.service.scan
        return await require_passed(
            await findings(project.builder, Question(bill=sbom), known, config, current_time())
        )

    @uncached
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
        return await verified((await self._project()).builder, image, public_key)


def current_time() -> str:
    """Return the time as ISO 8601."""
    return datetime.now(UTC).isoformat()
