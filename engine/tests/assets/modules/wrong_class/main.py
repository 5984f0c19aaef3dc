"""A module whose class has another name."""

from dagger import object_type


@object_type
class Rigth:
    """Nearly."""
