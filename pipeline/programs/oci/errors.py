"""Name what stops a registry command; every message says found, expected, do.

RegistryError
├── NotFoundError     the registry answers and does not have it
├── UnknownError      the registry does not know such a request
├── RefusedError      the registry refuses the credentials
├── ConflictError     an immutable tag already names another image
├── CorruptError      bytes that are not what their digest says
└── TransientError      trying again may help: 408, 429, 5xx, a cut connection
"""


class RegistryError(Exception):
    """Stop the command with a message for the user; exit status 1, of a TransientError 75."""


class NotFoundError(RegistryError):
    """The registry answers and does not have the blob, manifest or repository."""


class UnknownError(RegistryError):
    """The registry does not know such a request, or sends it somewhere else."""


class RefusedError(RegistryError):
    """The registry refuses the credentials, or wants some; never tried again."""


class ConflictError(RegistryError):
    """An immutable tag already names another image."""


class CorruptError(RegistryError):
    """Bytes differ from their digest."""


class TransientError(RegistryError):
    """Trying again may help.

    Args:
        text: what happened.
        wait_s: how long the registry asks to wait; 0 when it does not say.

    """

    def __init__(self, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.wait_s = wait_s
