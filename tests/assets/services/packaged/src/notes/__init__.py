"""Notes that are files of the package."""
