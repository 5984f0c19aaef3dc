"""Stages 6 and 7: tests, policies, SBOM, scan, layers, and the run of all of them."""
