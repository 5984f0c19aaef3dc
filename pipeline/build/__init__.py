"""Stages 1 to 5: source, lock, wheels, models, image."""
