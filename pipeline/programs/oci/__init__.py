"""An OCI distribution client: normalise, push, promote and read images. Standard library only.

The process that sees a registry's password runs no third-party code.
"""
