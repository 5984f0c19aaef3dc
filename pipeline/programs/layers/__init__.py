"""Audit of an image: what each layer holds, which bytes are wasted, a map of it."""
