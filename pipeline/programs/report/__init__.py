"""The outcome of every step for every variant, on one page."""
