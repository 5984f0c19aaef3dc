"""Find CVEs of Debian packages that an update repairs: the candidate's changelog names them.

    python3 -m scan.changelogs --bill sbom.cdx.json --out debian.json

Runs where apt knows the image's distribution. For each package with a candidate newer than what is
installed the candidate is downloaded and its changelog read; so only fixable CVEs are seen, with the
package source's own freshness. Always writes the report; `failure` in it says why nothing was judged.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from scan.changelog import changelog_text, fixed_since
from scan.errors import ScanError
from scan.facts import Component
from scan.sbom import Bill

CONTROLS: Final = ("expat", "sqlite3", "openssl", "glibc")
"""Source packages whose changelogs name CVEs, smallest first: one of them must be seen to."""
MOST_BYTES: Final = 500 * 10**6
"""Most that is downloaded. The candidates of a whole slim image that is a year old have about 60 MB."""
TIMEOUT_S: Final = 180
Run = Callable[..., "subprocess.CompletedProcess[str]"]


class SourceError(Exception):
    """The package source did not answer as it should."""


@dataclass
class Report:
    """What the changelogs say; written as JSON."""

    judged: list[str] = field(default_factory=list)
    """Package URLs of the packages that could be judged."""
    findings: list[dict[str, str]] = field(default_factory=list)
    control: str = ""
    changelogs: int = 0
    released: float = 0
    """Date of the newest package list, seconds since 1970."""
    failure: str = ""


def main() -> int:
    """Return 0 once the report is written, 2 when the list cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bill", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    try:
        components = Bill.load(options.bill).of("deb")
    except ScanError as error:
        print(f"no scan: {error}", file=sys.stderr)
        return 2
    report = Report()
    try:
        examine(components, report)
    except (SourceError, OSError, subprocess.SubprocessError) as error:
        report.failure = f"{type(error).__name__}: {error}"
    options.out.write_text(json.dumps(report.__dict__, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def examine(components: list[Component], report: Report) -> None:
    """Fill the report from what apt knows."""
    _run("apt-get", "-qq", "-o", "Acquire::Retries=2", "-o", "APT::Update::Error-Mode=any", "update")
    report.released = released(Path("/var/lib/apt/lists"))
    candidates = policy(_run("apt-cache", "policy", *sorted({one.name for one in components})).stdout)
    pending: dict[str, list[Component]] = defaultdict(list)
    for one in components:
        if not (candidate := candidates.get(one.name)):
            continue
        if _newer(candidate, one.version):
            pending[one.source or one.name].append(one)
        else:
            report.judged.append(one.purl)
    left = MOST_BYTES
    for source, members in sorted(pending.items()):
        text, used = _changelog(members, candidates, left)
        left -= used
        report.changelogs += bool(text)
        if text:
            _note(report, source, members, text)
    _control(components, candidates, report)


def policy(text: str) -> dict[str, str]:
    """Return package -> candidate version of what `apt-cache policy` prints."""
    stanzas = re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)", text, re.MULTILINE)
    return {name: candidate for name, candidate in stanzas if candidate != "(none)"}


def released(lists: Path) -> float:
    """Return the date of the newest Release file that apt holds, 0 when it holds none."""
    dates: list[str] = []
    for path in [*lists.glob("*InRelease"), *lists.glob("*_Release")]:
        dates += re.findall(r"^Date: (.+)$", path.read_text(errors="replace"), re.MULTILINE)
    return max((parsedate_to_datetime(date).timestamp() for date in dates), default=0)


def _note(report: Report, source: str, members: list[Component], text: str) -> None:
    for one in members:
        fixed = fixed_since(text, one.source_version or one.version, _newer)
        report.findings += [
            {"purl": one.purl, "cve": cve, "fixed": version, "source": source}
            for cve, version in fixed.items()
        ]
        report.judged.append(one.purl)


def _control(components: list[Component], candidates: dict[str, str], report: Report) -> None:
    """Read one changelog as if nothing were installed: it must name CVEs."""
    for source in CONTROLS:
        members = [one for one in components if (one.source or one.name) == source]
        text, _ = _changelog(members, candidates, MOST_BYTES) if members else ("", 0)
        if found := fixed_since(text, "0", _newer):
            report.control = f"{source}: {len(found)} CVEs in its changelog"
            return


def _changelog(members: list[Component], candidates: dict[str, str], left: int) -> tuple[str, int]:
    """Return the changelog of the first member that carries one, and the bytes downloaded."""
    used = 0
    for one in sorted(members, key=lambda member: member.name):
        with tempfile.TemporaryDirectory() as folder:
            if used > left:
                raise SourceError(f"the candidates exceed {MOST_BYTES} bytes")
            # apt drops root for downloads and warns where it cannot enter the folder; root is meant here.
            options = ("-qq", "-o", "APT::Sandbox::User=root")
            _run("apt-get", *options, "download", f"{one.name}={candidates[one.name]}", cwd=folder)
            archives = list(Path(folder).glob("*.deb"))
            used += sum(path.stat().st_size for path in archives)
            if archives and (text := changelog_text(archives[0], one.name)):
                return text, used
    return "", used


def _newer(version: str, than: str) -> bool:
    """Return whether Debian orders a version above another."""
    compare = ["dpkg", "--compare-versions", version, "gt", than]
    return subprocess.run(compare, check=False, capture_output=True).returncode == 0


def _run(*command: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S, **options)
    if done.returncode:
        raise SourceError(f"{' '.join(command[:1])} failed ({done.returncode}): {done.stderr.strip()[-500:]}")
    return done


if __name__ == "__main__":
    sys.exit(main())
