"""Stage 8 of 8: the arguments of `publish`, and those that its provenance names."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagger

from pipeline.check.scan import Advisories
from pipeline.publish.oci_layout import Compression
from pipeline.publish.tags import TagOptions
from pipeline.registry import Registry
from pipeline.variants import Variant


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
        """Return the arguments that the provenance names; logins and keys are no part of it."""
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
