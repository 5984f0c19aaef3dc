"""Promises about size: within the budget, nothing twice, nothing under another layer."""

from collections import defaultdict
from typing import Final

from verify.image import Entry
from verify.subject import SLIM, USERLAND, Subject
from verify.verdict import CannotTellError, Observation, Promise

COVERED_MB: Final = 0.1
"""Most bytes that no container sees. Source: 0.00 MB in the reference image, 0.1 for other services."""
TWICE_SHARE: Final = 0.02
"""Largest share of bytes that are there already. Source: 0.3 % in the reference image."""
SMALL_BYTES: Final = 4096
"""Files below a disk block are not looked at: licences and empty modules repeat by nature."""


def raw(subject: Subject) -> Observation:
    """Compare the layers' uncompressed size with the budget."""
    _require_small(subject)
    size_mb = sum(end - start for start, end in subject.image.layers) / 1e6
    return _within(size_mb, subject.facts.budget_mb, "budget_mb")


def compressed(subject: Subject) -> Observation:
    """Compare the size of the zstd layers, which a cold pull transfers, with the budget."""
    _require_small(subject)
    return _within(subject.compressed_bytes / 1e6, subject.facts.budget_compressed_mb, "budget_compressed_mb")


def covered(subject: Subject) -> Observation:
    """Add up what other layers cover: shipped, and seen by no container."""
    entries = sorted(_covered(subject), key=lambda entry: -entry.size)
    size_mb = sum(entry.size for entry in entries) / 1e6
    found = [f"{entry.path} {entry.size / 1e6:.2f} MB (layer {entry.layer})" for entry in entries]
    return Observation([f"{size_mb:.2f} MB", *found] if size_mb > COVERED_MB else [], f"{size_mb:.2f} MB")


def twice(subject: Subject) -> Observation:
    """Add up files whose bytes are at another path as well."""
    by_size: dict[int, list[Entry]] = defaultdict(list)
    for entry in subject.image.files:
        if entry.size >= SMALL_BYTES:
            by_size[entry.size].append(entry)
    copies: dict[str, list[Entry]] = defaultdict(list)
    for entry in (one for group in by_size.values() if len(group) > 1 for one in group):
        copies[subject.image.digest(entry)].append(entry)
    groups = sorted((group for group in copies.values() if len(group) > 1), key=_wasted, reverse=True)
    wasted = sum(_wasted(group) for group in groups)
    share = wasted / max(1, sum(entry.size for entry in subject.image.files))
    found = [
        f"{' = '.join(entry.path for entry in group)} ({_wasted(group) / 1e6:.2f} MB)" for group in groups
    ]
    text = f"{wasted / 1e6:.2f} MB, {share:.1%}"
    return Observation([text, *found] if share > TWICE_SHARE else [], text)


def _covered(subject: Subject) -> list[Entry]:
    """Return what other layers cover; of a slim base not what Debian's tools wrote again."""
    covered = list(subject.image.covered)
    if subject.facts.base != "slim":
        return covered
    return [
        entry for entry in covered if not entry.path.startswith(USERLAND) and not _replaced(subject, entry)
    ]


def _replaced(subject: Subject, entry: Entry) -> bool:
    """Return whether a file is one of the base that installing packages changed, e.g. /etc/ld.so.cache."""
    return entry.path.startswith(("/etc/", "/var/log/")) and subject.of_base(entry)


def _require_small(subject: Subject) -> None:
    if subject.facts.base == "slim":
        raise CannotTellError(f"{SLIM}; budgets are for --base=small")


def _wasted(group: list[Entry]) -> int:
    return (len(group) - 1) * group[0].size


def _within(size_mb: float, budget_mb: int | None, key: str) -> Observation:
    if budget_mb is None:
        raise CannotTellError(f"no {key} is declared ({size_mb:.1f} MB found)")
    text = f"{size_mb:.1f} MB of {budget_mb} MB"
    return Observation([text] if size_mb > budget_mb else [], text)


SEE_LAYERS: Final = "See `wheelhouse call layers`; raise the budget only for what the service needs."
PROMISES: Final = (
    Promise("size within budget", raw, "at most budget_mb uncompressed", SEE_LAYERS),
    Promise("compressed size within budget", compressed, "at most budget_compressed_mb in zstd", SEE_LAYERS),
    Promise(
        "nothing covered by other layers",
        covered,
        f"at most {COVERED_MB} MB overwritten or removed by higher layers",
        "Change the file in the layer that brings it: removing it later ships it all the same.",
    ),
    Promise(
        "nothing twice",
        twice,
        f"at most {TWICE_SHARE:.0%} of the bytes at more than one path",
        "Link to the one copy, or drop one with a prune rule.",
    ),
)
