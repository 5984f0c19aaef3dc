"""The one refusal of the audit."""

from typing import Self


class ImageError(Exception):
    """The archive is not one that can be audited."""

    @classmethod
    def of(cls, found: str, *, expected: str) -> Self:
        """Return the error that says what was found, what was expected and how to get it."""
        return cls(f"{found}; expected {expected}. Export the image with `dagger call build -o image.tar`.")
