"""Write `[tool.wheelhouse]` for a project that has none, from the files that it has."""
