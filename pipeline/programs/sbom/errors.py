"""What the SBOM programs refuse."""


class FactsError(Exception):
    """The image or a text given with it does not say what the list must say."""


class UnlistedImageError(FactsError):
    """The image holds software but not the records that name it."""


class SwappedWheelError(FactsError):
    """A wheel is not one that the lock allows."""
