"""Arguments of `publish`, and the commit that it publishes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dagger

from pipeline.check.scan import Advisories
from pipeline.commits import GitState
from pipeline.publish.oci_layout import Compression, ImageStamp
from pipeline.publish.tags import ImageTags, TagOptions, image_tags
from pipeline.registry import Registry
from pipeline.variants import VARIANTS, Variant

REVISION: Final = "org.opencontainers.image.revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """Arguments of one `publish`."""

    registry: Registry
    variants: Sequence[Variant]
    wishes: TagOptions
    compression: Compression
    advisories: Advisories
    signing_key: dagger.Secret | None = None
    platforms: Sequence[str] = ()
    """Of each variant's index; none: an image of the engine's own."""

    @property
    def arguments(self) -> dict[str, str]:
        """Return the arguments that the provenance names; logins and keys are not part of it."""
        wishes, known = self.wishes, self.advisories
        words = {
            "address": self.registry.address,
            "advisories-url": known.feed.url,
            "compression": self.compression.value,
            "platforms": ",".join(self.platforms),
            "scanner": "" if known.directory or known.file else known.scanner.value,
            "tags": ",".join(wishes.extra),
        }
        flags = {
            "advisories": bool(known.directory or known.file),
            "allow-dirty": wishes.allow_dirty,
            "branch": wishes.branch,
            "latest": wishes.latest,
            "offline": known.offline,
        }
        return {**words, **{name: "true" for name, is_set in flags.items() if is_set}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One publication: images of one commit, all of them or none."""

    options: PublishOptions
    state: GitState
    created: int
    """Time of the commit, in seconds since 1970."""
    source: str
    """URL of the git repository; "" for a local one."""
    now: str
    """ISO 8601 time of the scan."""

    def tags(self, variant: Variant) -> ImageTags:
        """Return the tags of a variant's image."""
        suffix = VARIANTS[variant].tag_suffix
        return image_tags(self.state, self.options.wishes, (suffix,) if suffix else ("", f"-{variant.value}"))

    @property
    def stamp(self) -> ImageStamp:
        """Return the time and labels of every image."""
        labels = {REVISION: self.state.commit.sha} if self.state.commit else {}
        return ImageStamp(created=self.created, compression=self.options.compression, labels=labels)
