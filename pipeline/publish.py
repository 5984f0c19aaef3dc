"""Stage 8b of 8: tested images in, pushed references out."""

from collections.abc import Sequence

from pipeline.assembly import Assembly
from pipeline.checks import test_reports
from pipeline.tags import Commit, image_tags, references
from pipeline.variants import VARIANTS, Base, Variant


async def publish_tested(
    assembly: Assembly, address: str, commit: Commit, variants: Sequence[Variant]
) -> list[str]:
    """Test every image, then push each under the tags of the commit.

    Returns:
        `address:tag@sha256:…` of each push.

    Raises:
        PipelineError: the address carries a tag or digest of its own.
        ChecksFailedError: an image failed its tests; nothing is pushed then.

    """
    targets = {
        variant: references(address, image_tags(commit, VARIANTS[variant].tag_suffix)) for variant in variants
    }
    subjects = {variant: await assembly.subject(variant, Base.SMALL) for variant in targets}
    for subject in subjects.values():
        await test_reports(assembly.builder, subject)
    return [
        await subjects[variant]
        .image.with_label("org.opencontainers.image.revision", commit.sha)
        .publish(target)
        for variant, names in targets.items()
        for target in names
    ]
