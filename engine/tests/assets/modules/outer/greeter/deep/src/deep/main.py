"""A module of a module."""

from dagger import function, object_type


@object_type
class Deep:
    """Says one word."""

    @function
    def word(self, sound_level: int = 1) -> str:
        """Say it."""
        return "deep" + "!" * sound_level
