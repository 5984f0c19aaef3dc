"""Services and modules that tests use have tests of their own, run inside their images only."""

collect_ignore_glob = ["*"]
