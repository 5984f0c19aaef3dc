"""What the scan programs refuse.

ScanError
├── BillError           the software list cannot be read, or belongs to another image
├── AdvisoryDataError   the advisory data is empty, junk, truncated or of another format
│   └── AbsentDataError the advisory data is good, and of other ecosystems
└── PolicyError         the policy is not a JSON object of the known keys
"""


class ScanError(Exception):
    """Refuse to judge, and say what was found, what was expected and what to do."""


class BillError(ScanError):
    """The software list is not what the scan can stand on."""


class AdvisoryDataError(ScanError):
    """The advisory data cannot be trusted to say anything."""


class AbsentDataError(AdvisoryDataError):
    """The advisory data has no record of the ecosystem."""


class PolicyError(ScanError):
    """The policy says something that the gate does not know."""
