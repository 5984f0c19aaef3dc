"""Look whether an image keeps its promises: its files, its configuration, its running service."""
