"""One file per kind of place that models come from."""
