"""Sign statements about an image and check them again: DSSE envelopes in sigstore bundles, one key."""
