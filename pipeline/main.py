"""The main object: what `dagger functions` lists, each method one call of a stage."""

import sys
import time
from typing import Annotated

import dagger
from dagger import Doc, function, object_type

from pipeline.arguments import BaseOption, Offline, Records, RecordsFile, Scanners, VariantOption
from pipeline.build.dev import live_service, send_source
from pipeline.build.init import initial_config
from pipeline.build.lock_refresh import fresh_locks, lock_changes
from pipeline.build.models import gate_table, model_cache
from pipeline.build.stages import built_models, image_wheels, locked
from pipeline.check.artifacts import image_artifacts
from pipeline.check.ci import CiRun, run_steps
from pipeline.check.compare import Comparison, comparison
from pipeline.check.layers import audit_layers
from pipeline.check.report import Report, ReportContext, write_report
from pipeline.check.scan import Advisories
from pipeline.check.tests import test_image
from pipeline.check.verify import TABLE, verify_image
from pipeline.compat import generate, uncached, up
from pipeline.dagger_checks import Checks
from pipeline.publish_functions import PublishFunctions, current_time
from pipeline.scan_config import Scanner
from pipeline.settings import DEFAULT_IMAGE
from pipeline.variants import Base, Variant


@object_type
class Wheelhouse(PublishFunctions):
    """Build, test and publish small images of a Python LLM service."""

    @function
    async def init(
        self,
        command: Annotated[str, Doc("What starts the service; empty: read it from its files")] = "",
        force: Annotated[bool, Doc("Replace an existing [tool.wheelhouse]")] = False,
    ) -> dagger.Directory:
        """Write pyproject.toml for a project without one, from what its files say; save it with -o."""
        builder = self._builder(self.python_image or DEFAULT_IMAGE)
        return await initial_config(builder, self.source, command=command, force=force)

    @uncached
    async def lock(
        self, upgrade: Annotated[bool, Doc("Newest versions, not only what is missing")] = False
    ) -> dagger.Directory:
        """Refresh the lock files; save them with -o into the service's folder."""
        return await fresh_locks(await self._project(), upgrade=upgrade, now=str(time.time_ns()))

    @uncached
    @generate
    async def lock_changes(
        self, at: Annotated[str, Doc("Folder of the service in the workspace")] = "app"
    ) -> dagger.Changeset:
        """Create missing lock entries as a change of the workspace: `dagger generate` applies it."""
        return await lock_changes(await self._project(), at=at, now=str(time.time_ns()))

    @function
    async def wheels(self, variant: VariantOption = Variant.CPU) -> dagger.Directory:
        """Download or build every wheel of a variant, each checked by its hash."""
        project = await self._project()
        return await image_wheels(project, variant, await locked(project, variant))

    @function
    async def models(self, variant: VariantOption = Variant.CPU) -> dagger.Directory:
        """Export the models of a variant; print how close each is to float32."""
        models = await built_models(await self._project(), variant)
        print(await gate_table(models), file=sys.stderr, end="")  # noqa: T201 - the result stays on stdout
        return model_cache(models)

    @function
    async def build(
        self, variant: VariantOption = Variant.CPU, base: BaseOption = Base.SMALL
    ) -> dagger.Container:
        """Build the runtime image of a variant."""
        return (await self._image(variant, base)).container

    @uncached
    async def artifacts(
        self, variant: VariantOption = Variant.CPU, base: BaseOption = Base.SMALL
    ) -> dagger.Directory:
        """Write the OCI archive of an image and a page about it: layers, wheels, models, seconds."""
        return await image_artifacts(await self._project(), variant, base)

    @uncached
    @up
    async def dev(
        self,
        variant: VariantOption = Variant.CPU,
        debug_port: Annotated[int, Doc("Port for debugpy; 0: none")] = 0,
    ) -> dagger.Service:
        """Run the service for development; each `reload` restarts it. Use with `up`."""
        project = await self._project()
        return await live_service(project, variant, debug_port=debug_port, now=str(time.time_ns()))

    @uncached
    async def reload(self) -> str:
        """Send the edited source to the service that `dev` runs; list what changed."""
        return await send_source(await self._project(), str(time.time_ns()))

    @function
    async def layers(self, variant: VariantOption = Variant.CPU, base: BaseOption = Base.SMALL) -> str:
        """Show contents, sizes and waste of each layer of an image."""
        audit = await audit_layers(await self._image(variant, base))
        return await audit.passed_files().file("layers.txt").contents()

    @function
    async def layer_map(
        self, variant: VariantOption = Variant.CPU, base: BaseOption = Base.SMALL
    ) -> dagger.Directory:
        """Audit the layers of an image: a table, JSON and a picture (layers.svg)."""
        return (await audit_layers(await self._image(variant, base))).passed_files()

    @function
    async def test(
        self,
        variant: VariantOption = Variant.CPU,
        base: BaseOption = Base.SMALL,
        gate: Annotated[bool, Doc("Fail when the tests do; false: only report")] = True,
    ) -> dagger.Directory:
        """Test an image: the service's own tests inside it, then the service over HTTP."""
        outcome = await test_image(await self._image(variant, base))
        return outcome.passed_files() if gate else outcome.any_files()

    @function
    async def verify(self, variant: VariantOption = Variant.CPU, base: BaseOption = Base.SMALL) -> str:
        """Check an image against every policy; fail listing each violation."""
        verified = await verify_image(await self._image(variant, base))
        return await verified.passed_files().file(TABLE).contents()

    @uncached
    async def compare(
        self,
        variant: VariantOption = Variant.CPU,
        naive_base: Annotated[str, Doc("Base of the naive image, e.g. python:3.13; empty: ours")] = "",
        torch: Annotated[bool, Doc("Naive with torch and sentence-transformers: 6 GB")] = False,
        cold: Annotated[bool, Doc("Build both from nothing, to time that")] = True,
        advisories: Records = None,
    ) -> dagger.Directory:
        """Build a naive one-stage image as well and measure both: table, JSON, picture."""
        known = Advisories(directory=advisories, offline=True) if advisories else None
        wanted = Comparison(
            variant=variant,
            naive_base=naive_base,
            torch=torch,
            cold=cold,
            advisories=known,
            now=current_time(),
        )
        return await comparison(await self._project(), wanted)

    @uncached
    async def ci(  # noqa: PLR0913, PLR0917 - arguments of the command line
        self,
        variants: Annotated[list[Variant], Doc("Which images; none: all that are declared")] = [],  # noqa: B006
        base: BaseOption = Base.SMALL,
        module: Annotated[str, Doc("This module as others name it, for the printed lines: URL@COMMIT")] = "",
        address: Annotated[str, Doc("The --source of the printed lines: a folder or URL#COMMIT")] = "",
        compare: Annotated[bool, Doc("Also compare one image with a naive build")] = False,
        baseline: Annotated[dagger.File | None, Doc("report.json of an earlier run, to compare with")] = None,
        advisories: Records = None,
        advisories_file: RecordsFile = None,
        scanner: Scanners = Scanner.GRYPE,
        offline: Offline = False,
    ) -> Report:
        """Build, test, check, weigh and scan all images at once; report all of it, fail at the `gate`."""
        project, now = await self._project(), current_time()
        known = self._advisories(advisories, advisories_file, scanner, offline=offline)
        chosen = variants or [one for one in Variant if one.value in project.config.service.variants]
        compared = (Variant.CPU if Variant.CPU in chosen else chosen[0]) if compare else None
        run = CiRun(variants=chosen, base=base, advisories=known, now=now, compared=compared)
        place = await self._place(module, address)
        context = ReportContext(config=project.config, place=place, baseline=baseline)
        return await write_report(project.builder, await run_steps(project, run), run, context)

    @function
    def checks(self) -> Checks:
        """Group what `dagger check` runs, each image's tests and policies, with this repository's own."""
        return Checks(**self._copied())
