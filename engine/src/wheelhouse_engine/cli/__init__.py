"""Read `dagger call` command lines and carry them out on the embedded engine."""
