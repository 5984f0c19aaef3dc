"""Put the outcome of every step of every variant on one page.

    python3 -m report.run --in DIR --out DIR

IN has facts.json and a folder per variant and step with what the step left behind. Writes report.html,
summary.md, report.json and timings.json. Exit status 0 whatever the outcome; 2 when facts.json is of
another version of this program; stderr says so.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from report.baseline import images
from report.facts import VERSION, Outcome
from report.page import page
from report.summary import summary


def main() -> int:
    """Return 0, or 2 when the facts are not ours to read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in", dest="given", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    facts = json.loads((options.given / "facts.json").read_text())
    if facts.get("version") != VERSION:
        print(
            f"no report: facts of version {facts.get('version')!r}; expected {VERSION}. Run `ci` again.",
            file=sys.stderr,
        )
        return 2
    outcome = Outcome.read(options.given, facts)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.html").write_text(page(outcome))
    (options.out / "summary.md").write_text(summary(outcome))
    (options.out / "report.json").write_text(json.dumps(document(outcome), indent=1) + "\n")
    times = {f"{step['variant']} {step['name']}": step["seconds"] for step in facts["steps"]}
    (options.out / "timings.json").write_text(json.dumps(times, indent=1) + "\n")
    return 0


def document(outcome: Outcome) -> dict[str, object]:
    """Return the report for programs: `failures` is what the gate says."""
    return {
        "version": VERSION,
        "status": outcome.status,
        "service": outcome.facts["service"],
        "module": outcome.facts["module"],
        "now": outcome.facts["now"],
        "failures": [
            {**asdict(one), **outcome.lines(one.variant, one.step)} for one in outcome.of_status("failed")
        ],
        "checks": [asdict(one) for one in outcome.checks],
        "steps": outcome.facts["steps"],
        "images": images(outcome),
    }


if __name__ == "__main__":
    sys.exit(main())
