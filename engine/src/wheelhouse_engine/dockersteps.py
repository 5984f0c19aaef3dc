"""Follow a Dockerfile build by what buildah prints, and explain how it failed."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from wheelhouse_engine.errors import EngineError, ExecError
from wheelhouse_engine.masking import Mask, shortened
from wheelhouse_engine.runner import CommandError, Stream

STEP: Final = re.compile(rb"^(?:\[[^\]]*\] )?STEP \d+/\d+: (.*)$")
"""Line that buildah prints before each instruction, on standard output."""
FAILED: Final = re.compile(rb'Error: building at STEP "(.*)": (.*)$', re.DOTALL)
"""What buildah prints at the end of its standard error."""
NOISE: Final = re.compile(
    rb'(?:^time="[^"]*" level=|^subprocess exited with status|Error: building at STEP ).*\n?', re.MULTILINE
)
RUN_FLAG: Final = re.compile(r"--(?:mount|network|security)=\S+\s+")
SHELL: Final = ("/bin/sh", "-c")


@dataclass(slots=True)
class Steps:
    """Output of a build, of which only the last step's is kept."""

    tell: Callable[[str], None]
    """Called with text for the progress, masked."""
    mask: Mask
    shell: tuple[str, ...] = SHELL
    instruction: str = ""
    _rest: bytes = b""
    _outputs: dict[Stream, bytearray] = field(
        default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()}
    )

    def sink(self, stream: Stream, data: bytes) -> None:
        """Take a piece of output."""
        self.tell(self.mask.apply(data).decode(errors="replace"))
        if stream == "stderr":
            self._outputs["stderr"] += data
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if found := STEP.match(line):
                self._begin(found[1].decode(errors="replace"))
            else:
                self._outputs["stdout"] += line + b"\n"

    def _begin(self, instruction: str) -> None:
        word, _, rest = instruction.partition(" ")
        if word.upper() == "FROM":
            self.shell = SHELL
        elif word.upper() == "SHELL":
            self.shell = _words(rest) or SHELL
        self.instruction = instruction
        for output in self._outputs.values():
            output.clear()

    def failure(self, error: CommandError, places: tuple[str, ...]) -> EngineError:
        """Return the error of a build as Dagger gives it: an ExecError for a process that failed.

        `places` are paths of this machine that are of no use to the caller.
        """
        stderr = bytes(self._outputs["stderr"])
        command = self._command()
        found = FAILED.search(stderr)
        status = re.search(
            rb"exit status (\d+)|exited with (?:status|code) (\d+)", found[2] if found else b""
        )
        if command and found and status:
            code = int(status[1] or status[2])
            outputs = [bytes(self._outputs["stdout"]) + self._rest, NOISE.sub(b"", stderr)]
            stdout, shown = (shortened(self.mask.apply(output)) for output in outputs)
            message = f"failed to clone built container state: exit code: {code}"
            return ExecError(command, code, stdout, shown, message)
        lines = [line for line in error.completed.error_text.splitlines() if not line.startswith("time=")]
        text = (
            " ".join(lines[-3:]).removeprefix("Error: ")
            or f"the builder exited with {error.completed.returncode}"
        )
        for place in places:
            text = text.replace(place.rstrip("/") + "/", "").replace(place, "the build context")
        return EngineError(f"failed to build: {self.mask.apply(text.encode()).decode()}")

    def _command(self) -> list[str]:
        """Return the words of the last RUN instruction; empty for another instruction."""
        word, _, rest = self.instruction.partition(" ")
        if word.upper() != "RUN":
            return []
        text = RUN_FLAG.sub("", rest.strip()) if rest.strip().startswith("--") else rest.strip()
        return list(_words(text)) or [*self.shell, text]


def _words(text: str) -> tuple[str, ...]:
    """Read the exec form of an instruction; empty for the shell form."""
    try:
        words = json.loads(text)
    except ValueError:
        return ()
    return tuple(words) if isinstance(words, list) and all(isinstance(one, str) for one in words) else ()
