"""A module without a pyproject.toml."""

from dagger import function, object_type


@object_type
class PlainOne:
    """A plain module."""

    @classmethod
    async def create(cls, word: str = "made") -> "PlainOne":
        """Make it slowly."""
        self = cls()
        self.word = word
        return self

    @function
    def word_back(self) -> str:
        """What it was made with."""
        return self.word
