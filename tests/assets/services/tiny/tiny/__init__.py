"""A service of the standard library alone."""
