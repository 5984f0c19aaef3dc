"""Stage 8: tags, OCI layouts, attestations, push, promote."""
