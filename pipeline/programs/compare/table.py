"""Write a comparison as a table for people."""

from typing import Any, Final

from compare.measures import Measure, Measured

WIDTH: Final = 27
PIP_CACHE: Final = "root/.cache/pip/"
HOW: Final = """
How it was measured, all in one run on one machine, one image after the other:
  sizes       OCI archives of both, packed alike: zstd, as `publish --compression=zstd` sends them (its
              default, gzip, is larger for both); counts are what a container sees
  from nothing  every step of both new, nothing downloaded earlier used; the base is at hand for both.
              The naive image is handed its model ready-made; ours checks, exports and proves it in that time
  again       the same build a second time in the same session: neither the command line's start nor the
              reading of the source is in it, for both
  edit        one line in one module; pushed: layers, configuration and manifest with a new digest
  start       median of the starts by the image's own interpreter with warm file caches; seconds since exec
  memory      VmHWM, summed over the processes of the command, after the first embedding
"""


def table(facts: dict[str, Any], found: list[Measure], naive: Measured, ours: Measured) -> str:
    """Return the table, what is missing and why, and how everything was measured."""
    lines = [f"{'':{WIDTH}} {'naive':>12} {'wheelhouse':>12} {'ratio':>8}"]
    lines += [
        f"{one.label:{WIDTH}} {shown(one.naive, one.unit):>12} "
        f"{shown(one.ours, one.unit):>12} {ratio(one):>8}"
        for one in found
    ]
    lines += ["", *(f"{one.label}: {one.reason}" for one in found if one.reason)]
    lines += [f"{one.label}: {one.spread}" for one in found if one.spread]
    lines.append(
        f"pushed layers: naive {naive.layers_pushed} of {len(naive.packed)}, "
        f"ours {ours.layers_pushed} of {len(ours.packed)}"
    )
    kind = "torch and sentence-transformers" if facts["torch"] else "the same service, 32-bit weights"
    lines.append(f"naive: {kind} on {facts['base']}, see Dockerfile.naive; pip's cache {_pip_cache(naive)}")
    return "\n".join(lines) + "\n" + HOW


def shown(value: float | None, unit: str) -> str:
    """Return a value with its unit, `-` for none."""
    if value is None:
        return "-"
    if not unit:
        return f"{value:,.0f}"
    digits = 0 if value >= 1000 else 1 if value >= 10 else 2  # noqa: PLR2004 - three significant digits
    return f"{value:,.{digits}f} {unit}"


def ratio(one: Measure) -> str:
    """Return the ratio as `4.9x`, `-` for none."""
    if one.ratio is None:
        return "-"
    return f"{one.ratio:.0f}x" if one.ratio >= 10 else f"{one.ratio:.2g}x"  # noqa: PLR2004 - two digits do


def _pip_cache(one: Measured) -> str:
    cached = (entry for path, (_, entry) in one.merged.visible.items() if path.startswith(PIP_CACHE))
    size = sum(entry.size_bytes for entry in cached)
    return f"in it: {size / 1e6:.1f} MB" if size else "is empty"
