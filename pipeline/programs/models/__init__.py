"""Fetch, check, shrink and prove embedding models inside a builder container."""
