"""One reader for each format that several programs read."""
