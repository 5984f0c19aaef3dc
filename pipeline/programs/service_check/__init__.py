"""Checks of a started service over HTTP, from another container."""
