"""Judge a software list against advisories; what could not be judged is said, and is never green."""
