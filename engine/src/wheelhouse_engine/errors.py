"""Say what went wrong, in the form the client expects.

EngineError
├── ExecError      a process ended as it should not: cmd, exit code, both outputs
├── UnsupportedError     the API has the field, this engine does not
├── StoreError      the store cannot be used: no space, no permission, no buildah
├── NotMadeError    a plan, which starts no process, asked for what only a process makes
└── DamagedError    something stored was changed behind the engine's back; it is made again
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final


class EngineError(Exception):
    """Carry one sentence to the caller as a GraphQL error."""

    extensions: Mapping[str, Any] | None = None


class ExecError(EngineError):
    """Carry what the client's `ExecError` needs."""

    def __init__(
        self, command: Sequence[str], exit_code: int, stdout: str, stderr: str, message: str = ""
    ) -> None:
        super().__init__(message or f"exit code: {exit_code}")
        self.command = list(command)
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr

    @property
    def extensions(self) -> Mapping[str, Any]:  # type: ignore[override]
        """Return the fields of the session protocol's EXEC_ERROR."""
        return {
            "_type": "EXEC_ERROR",
            "cmd": self.command,
            "exitCode": self.exit_code,
            "stdout": self.stdout,
            "stderr": self.stderr,
        }


INSTEAD: Final = {
    "Directory.terminal": "Mount it into a container and open a terminal there",
    "Service.terminal": "Open a terminal in the container before it becomes a service",
    "Container.withMountedVolume": "Use withMountedCache",
    "Container.withUnixSocket(owner)": "Run the exec as the socket's owner with withUser",
    "Query.sshfsVolume": "Copy the files with Host.directory",
    "Query.moduleSource": "Import the other module as a Python package",
    "Query.module": "Run the module with `wheelhouse call`, which needs no registration",
    "Query.typeDef": "Run the module with `wheelhouse call`, which needs no registration",
    "Query.function": "Run the module with `wheelhouse call`, which needs no registration",
    "Query.currentFunctionCall": "Run the module with `wheelhouse call`, which calls functions directly",
    "Query.currentWorkspace": "Take a Directory argument with DefaultPath",
    "Query.container(platform": "Build on a machine of that platform",
    "Directory.withPatch": "Apply the patch in a container with `git apply`",
}
"""What to do here instead of a field that only a Dagger engine has."""


class UnsupportedError(EngineError):
    """Name a field or an argument that only a real Dagger engine has."""

    def __init__(self, what: str) -> None:
        instead = next((text for name, text in INSTEAD.items() if what.startswith(name)), "")
        do = f"{instead}, or run" if instead else "Run"
        super().__init__(
            f"{what} is not available in the embedded engine. {do} the same command with a Dagger engine."
        )


class NotMadeError(EngineError):
    """Say that something would have to be made first."""


class StoreError(EngineError):
    """Say why the store or the tools around it cannot be used."""


class DamagedError(EngineError):
    """Say that something stored is gone or changed and was removed: asking again makes it anew."""
